"""Runs the comparison for all pipelines, or for those that are named, and prints a table.

With `--served`, the jobs go through catalogue, queue and a worker process. `--results FILE` notes what came
of each class, so that a later run goes on where this one stopped.
"""

import argparse
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import torch
from diffusers.utils import logging
from transformers.utils import logging as transformers_logging

from tests.pipelines.comparison import NUM_JOBS, TOLERANCE, compare
from tests.pipelines.registry import TRIALS
from tests.pipelines.served import ServedComparison, compare_served, read, written

_COLUMNS = (
    "pipeline",
    "difference",
    "spread",
    "effect",
    "calls in a batch",
    "own modules",
    "draws",
    "seconds",
)


_SERVED_COLUMNS = ("pipeline", "kind", "difference", "other level", "spread", "effect", "reason")


def main() -> int:
    """Print a line for each pipeline; return how many are not equal to diffusers."""
    parser = argparse.ArgumentParser(prog="python -m tests.pipelines", description=__doc__)
    parser.add_argument("names", nargs="*", help="classes of pipelines, or parts of their names")
    parser.add_argument("--jobs", type=int, default=NUM_JOBS, help="jobs at once (%(default)s)")
    parser.add_argument("--errors", action="store_true", help="print tracebacks")
    parser.add_argument("--served", action="store_true", help="through catalogue, queue and a worker process")
    parser.add_argument("--classes", default="", help="classes of pipelines, with commas between")
    parser.add_argument("--results", type=Path, help="with --served: file of results; what it has is not run")
    parser.add_argument(
        "--models", type=int, default=12, help="with --served: models of a worker (%(default)s)"
    )
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    chosen = _chosen(arguments.names, [name for name in arguments.classes.split(",") if name])
    if arguments.served:
        return _served(chosen, arguments)
    print(f"| {' | '.join(_COLUMNS)} |")
    print("|---" * len(_COLUMNS) + "|")
    wrong = sum(not _compared(name, arguments.jobs, arguments.errors) for name in chosen)
    print(f"{len(chosen) - wrong} of {len(chosen)} are equal to diffusers within {TOLERANCE:g}")
    return wrong


def _chosen(parts: list[str], classes: list[str]) -> list[str]:
    if unknown := set(classes) - set(TRIALS):
        raise SystemExit(f"--classes: unknown: {', '.join(sorted(unknown))}")
    found = [name for name in TRIALS if any(each in name for each in parts)]
    return [name for name in TRIALS if name in {*found, *classes}] if parts or classes else list(TRIALS)


def _served(chosen: list[str], arguments: argparse.Namespace) -> int:
    file: Path | None = arguments.results
    known = {name: each for name, each in (read(file) if file else {}).items() if name in chosen}
    missing = {name: TRIALS[name] for name in chosen if name not in known or not _is_settled(known[name])}
    print(f"| {' | '.join(_SERVED_COLUMNS)} |")
    print("|---" * len(_SERVED_COLUMNS) + "|")
    for found in known.values():
        if found.name not in missing:
            _print_served(found)
    for found in compare_served(missing, arguments.models, arguments.jobs):
        known[found.name] = found
        _print_served(found)
        if file:
            with file.open("a") as results:
                results.write(written(found) + "\n")
    refused = sum(each.is_refused for each in known.values())
    wrong = sum(not _is_settled(each) for each in known.values())
    equal = len(known) - refused - wrong
    print(
        f"{equal} of {len(known) - refused} are equal to diffusers within {TOLERANCE:g}; "
        f"{refused} are refused"
    )
    return wrong


def _is_settled(found: ServedComparison) -> bool:
    return found.is_refused or (not found.reason and found.difference <= TOLERANCE)


def _print_served(found: ServedComparison) -> None:
    numbers = f"{found.difference:.1e} | {found.changed:.1e} | {found.spread:.2f} | {found.effect:.2f}"
    if found.reason:
        numbers = " | | | "
    print(f"| {found.name} | {found.kind} | {numbers} | {found.reason[:300]} |", flush=True)


def _compared(name: str, num_jobs: int, shows_errors: bool) -> bool:
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = compare(TRIALS[name], Path(folder), num_jobs)
    except Exception as error:
        print(f"| {name} | {type(error).__name__}: {str(error)[:200]!r} |", flush=True)
        if shows_errors:
            print("".join(traceback.format_exception(error)[-3:]))
        return False
    values = [
        f"{found.difference:.1e}",
        f"{found.spread:.2f}",
        f"{found.effect:.2f}",
        f"{found.rows:.1f}",
        ", ".join(found.own),
        "yes" if found.draws else "",
        f"{time.monotonic() - began:.1f}",
    ]
    print(f"| {name} | {' | '.join(values)} |", flush=True)
    return found.difference <= TOLERANCE


if __name__ == "__main__":
    raise SystemExit(main())
