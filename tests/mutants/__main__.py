"""Proves that the tests notice faults: each fault of faults.toml, one at a time, in a copy of the tree.

python -m tests.mutants                  all faults, in at most half an hour
python -m tests.mutants --only ID        one of them, or several: --only ID --only ID
python -m tests.mutants --list           what they are
python -m tests.mutants --check          whether each can be applied; runs no tests
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.copied_tree import CopiedTree
from tests.mutants.faults import FILE, Fault, problems, read_faults
from tests.mutants.trial import LIMIT_S, Trial, Verdict, tested, tried

ROOT = Path(__file__).parents[2]
TOTAL_S = 1800.0
# Without a fault a file is run to its end and not to the first failure: it may take so many times as long.
WITHOUT_FAULT = 3


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT, file: Path = FILE) -> int:
    """Run the command.

    Args:
        arguments: Of the command line.
        root: The tree that is copied.
        file: The list of faults.

    Returns:
        0 if every fault was killed, 1 if not, 2 if the list can't be used.
    """
    asked = _parsed(arguments)
    faults = read_faults(file)
    if found := problems(faults, root):
        print("\n".join(found), file=sys.stderr)
        return 2
    if unknown := sorted(set(asked.only) - {fault.id for fault in faults}):
        print(f"There is no fault {', '.join(unknown)}.", file=sys.stderr)
        return 2
    chosen = [fault for fault in faults if not asked.only or fault.id in asked.only]
    if asked.list:
        for fault in chosen:
            print(f"{fault.id}\n    {fault.promise} ({fault.page or fault.written_from})")
    elif asked.check:
        print(f"{len(faults)} faults, each of which can be applied.")
    else:
        return _run(chosen, root, asked.limit_s, asked.total_s)
    return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="only this fault")
    parser.add_argument("--list", action="store_true", help="print the faults and what they break")
    parser.add_argument("--check", action="store_true", help="only look whether each can be applied")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds for the tests of one fault")
    parser.add_argument("--total-s", type=float, default=TOTAL_S, help="seconds for all of them")
    return parser.parse_args(arguments)


def _run(faults: Sequence[Fault], root: Path, limit_s: float, total_s: float) -> int:
    began = time.monotonic()
    verdicts = []
    with CopiedTree.of(root) as tree:
        tree.check_imports()
        passes: dict[str, Trial] = {}
        for fault in faults:
            if time.monotonic() - began > total_s:
                trial = Trial(Verdict.NOT_RUN, 0.0)
            else:
                trial = _failing(fault, tree, passes, limit_s) or tried(fault, tree, limit_s)
            verdicts.append(trial.verdict)
            _tell(fault, trial)
    killed = verdicts.count(Verdict.KILLED)
    print(f"{killed} of {len(faults)} faults killed, in {time.monotonic() - began:.0f} s.")
    return 0 if killed == len(faults) else 1


def _failing(fault: Fault, tree: CopiedTree, passes: dict[str, Trial], limit_s: float) -> Trial | None:
    """The error of a test file that does not even pass without the fault: its failure would prove nothing."""
    for test in fault.tests:
        if test not in passes:
            passes[test] = tested(test, tree, WITHOUT_FAULT * limit_s)
        if passes[test].verdict is not Verdict.SURVIVED:
            output = (
                f"{test} does not pass without the fault ({passes[test].verdict}).\n{passes[test].output}"
            )
            return Trial(Verdict.ERROR, passes[test].took_s, output)
    return None


def _tell(fault: Fault, trial: Trial) -> None:
    print(f"{trial.verdict:<8} {trial.took_s:6.1f} s  {fault.id}: {fault.promise}", flush=True)
    if trial.verdict is not Verdict.KILLED and trial.output:
        print("\n".join(f"    {line}" for line in trial.output.splitlines()), flush=True)


if __name__ == "__main__":
    # So that the copy is removed then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
