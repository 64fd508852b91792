"""Every fault, on SQLite and on PostgreSQL: `python -m tests.chaos`, or `make chaos`."""

import argparse
import sys
from pathlib import Path

import pytest

from tests.chaos.plan import KEY, SEED, Plan
from tests.chaos.report import line, rows, write

HERE = Path(__file__).parent


class Planned:
    """Tells pytest's fixtures the plan.

    Args:
        plan: What was asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def pytest_configure(self, config: pytest.Config) -> None:
        """The fixtures look for it here."""
        config.stash[KEY] = self._plan


def main() -> int:
    """Run them, print a line for each, and write the table; the exit status is pytest's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--runs", type=int, default=1, help="of each fault, on each database")
    parser.add_argument("--faults", nargs="*", default=(), metavar="F01", help="only these")
    parser.add_argument("--quick", action="store_true", help="only what `make test` runs; no table")
    options = parser.parse_args()
    plan = Plan(options.seed, options.runs, options.faults, thorough=not options.quick)
    status = pytest.main([str(HERE), "-q", "-m", "fault", "-p", "no:cacheprovider"], plugins=[Planned(plan)])
    found = rows(plan.done)
    print("\n".join(map(line, found)))
    if not options.quick:
        write(found)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
