"""Run the attacks in full, and print what each costs: `python -m tests.attacks`.

    python -m tests.attacks A1 A4                       only these
    python -m tests.attacks --python OLD/.venv/bin/python    on the gateway of an older version

The innocent caller submits and reads jobs in a process of its own, first in a calm time and then during the
attack. A line ends with the targets that were missed. The exit status is 1 if there are any.
"""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.attacks.attack import Attack, Measured, Scene, measured
from tests.attacks.attacked import attacked

HERE = Path(__file__).parent
SECONDS = 20.0
HEADING = (
    "| attack | bytes sent | memory | per byte | CPU | per MB | p99 calm | p99 during | failed | missed |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def attacks() -> Iterator[Attack]:
    """All attacks that have a full form: `ATTACK` of each test file here, in order."""
    for file in sorted(HERE.glob("test_a*.py")):
        module = importlib.import_module(f"tests.attacks.{file.stem}")
        found = getattr(module, "ATTACK", None)
        if isinstance(found, Attack):
            yield found


def row(found: Measured) -> str:
    """The line of the table for an attack."""
    sent = max(1, found.num_bytes)
    cells = (
        f"{found.attack.id} {found.attack.title}",
        f"{found.num_bytes:,}",
        f"{found.grown_bytes / 2**20:+.0f} MiB",
        f"{found.grown_bytes / sent:.3g}",
        f"{found.cpu_s:.1f} s",
        f"{found.cpu_s / sent * 1e6:.3g} s",
        f"{1000 * found.calm.p99_s:.0f} ms",
        f"{1000 * found.during.p99_s:.0f} ms",
        f"{len(found.during.failures)} of {len(found.during.failures) + len(found.during.took_s)}",
        "; ".join(found.broken[:3]) or "none",
    )
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Run them, and print a line for each; 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ids", nargs="*", metavar="A1", help="only these")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each attack")
    parser.add_argument("--python", default=sys.executable, help="interpreter whose gateway is attacked")
    options = parser.parse_args(argv)
    print(HEADING)
    missed = False
    for attack in attacks():
        if options.ids and attack.id not in options.ids:
            continue
        with (
            tempfile.TemporaryDirectory() as folder,
            attacked(
                Path(folder),
                python=options.python,
                max_files=attack.max_files,
                environment=attack.environment,
            ) as gateway,
        ):
            found = measured(attack, Scene(gateway, options.seconds))
        missed = missed or bool(found.broken)
        print(row(found), flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
