"""PgBouncer in front of PostgreSQL, and Redis behind Sentinel, broken under load: `python -m tests.poolers`.

Two workers of the fault suite, with its short leases, run mixed jobs all the time. PgBouncer 1.18 is in
transaction mode; one Redis master has two replicas and three sentinels. Each fault has its own database and
its own Redis. The table goes into docs/reliability.md; with `--no-table` it is only printed.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from random import Random

from benchmarks.report import enter, table
from tests.poolers.faults import FAULTS, Figures, measured
from tests.poolers.site import sites

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
NAME = "poolers"
SEED = 18
COLUMNS = {
    "fault": "fault",
    "jobs": "jobs accepted",
    "succeeded": "succeeded",
    "lost": "lost",
    "twice": "done twice",
    "refused": "submits to repeat",
    "pause_s": "longest time without a begin, s",
}


def main() -> int:
    """Measure, print a line for each fault, and write the table; 0 if nothing is lost or done twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--faults",
        nargs="*",
        choices=FAULTS,
        default=list(FAULTS),
        metavar="FAULT",
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path, help="for logs; by default a temporary one")
    parser.add_argument("--no-table", action="store_true", help="leave docs/reliability.md as it is")
    options = parser.parse_args()
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as scratch, sites(options.folder or Path(scratch)) as made:
        for number, fault in enumerate(options.faults):
            with made.site(f"fault-{number}") as site:
                found.append(measured(site, fault, Random(f"{options.seed} {fault}")))
            print(found[-1], flush=True)
    rows = [{**asdict(figures), "pause_s": f"{figures.pause_s:.1f}"} for figures in [*found, _all(found)]]
    print(table(rows, COLUMNS))
    if not options.no_table:
        enter(PAGE, NAME, table(rows, COLUMNS))
    return int(any(figures.lost or figures.twice or figures.violations for figures in found))


def _all(found: list[Figures]) -> Figures:
    return Figures(
        fault="all",
        jobs=sum(each.jobs for each in found),
        succeeded=sum(each.succeeded for each in found),
        lost=sum(each.lost for each in found),
        twice=sum(each.twice for each in found),
        refused=sum(each.refused for each in found),
        pause_s=max(each.pause_s for each in found),
        calm_s=max(each.calm_s for each in found),
        violations=(),
    )


if __name__ == "__main__":
    sys.exit(main())
