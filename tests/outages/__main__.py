"""Store, Redis and database each refuse connections during mixed jobs: `python -m tests.outages`.

Two workers serve all kinds with the shipped models and the default settings. Each service stands behind a
proxy that closes its port. The table goes into docs/reliability.md; with `--no-table` it is only printed.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.report import enter, table
from tests.outages.deployment import deployed
from tests.outages.measurement import Figures, measured

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
NAME = "outages"
SERVICES = ("store", "Redis", "database")
COLUMNS = {
    "service": "refuses",
    "seconds": "for, s",
    "succeeded": "succeeded",
    "charged": "attempts charged",
    "given_back": "given back, uncharged",
    "repeated": "finished work repeated",
    "moves_after_s": "next job begins after, s",
    "ended_after_s": "all ended after, s",
}


def main() -> int:
    """Measure, print a line for each outage, and write the table; 0 if all hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", nargs="*", choices=SERVICES, default=SERVICES)
    parser.add_argument("--seconds", nargs="*", type=float, default=(5.0, 30.0, 120.0))
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="for logs; by default a temporary one")
    parser.add_argument("--no-table", action="store_true", help="leave docs/reliability.md as it is")
    options = parser.parse_args()
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with deployed(folder) as deployment:
            for service in options.services:
                for seconds in options.seconds:
                    first = len(found) * options.jobs
                    found.append(measured(deployment, service, seconds, options.jobs, first))
                    print(found[-1], flush=True)
    if not options.no_table:
        enter(PAGE, NAME, table([_row(figures) for figures in found], COLUMNS))
    return int(not all(figures.holds for figures in found))


def _row(figures: Figures) -> dict[str, object]:
    return {
        **asdict(figures),
        "seconds": f"{figures.seconds:g}",
        "succeeded": f"{figures.succeeded} of {figures.jobs}",
        "moves_after_s": f"{figures.moves_after_s:.1f}",
        "ended_after_s": f"{figures.ended_after_s:.1f}",
    }


if __name__ == "__main__":
    sys.exit(main())
