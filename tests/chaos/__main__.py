"""Every fault, on SQLite and on PostgreSQL: `python -m tests.chaos`, or `make chaos`."""

import argparse
import sys
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from brushwork_core.settings.settings import Settings

from tests.chaos.findings import findings_of, kept_in
from tests.chaos.plan import FAULTS, KEY, SEED, Outcome, Plan
from tests.chaos.report import line, rows, summary, write
from tests.chaos.stack import QUICK

HERE = Path(__file__).parent
KEPT = HERE.parents[1] / "build" / "chaos"


class Planned:
    """Tells pytest's fixtures the plan, and the plan what pytest reports.

    Args:
        plan: What was asked for.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def pytest_configure(self, config: pytest.Config) -> None:
        """The fixtures look for it here."""
        config.stash[KEY] = self._plan

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """One outcome for each test, and one more if making ready or clearing up went wrong."""
        report = yield
        mark = item.get_closest_marker("fault")
        if mark is not None and (report.when == "call" or not report.passed):
            fault, title = mark.args
            self._plan.outcomes.append(Outcome(fault, title, report.passed))
        return report


def main() -> int:
    """Run them, print a line for each, and write the table; 0 if all that were wanted hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--runs", type=int, default=1, help="of each fault, on each database")
    parser.add_argument("--faults", nargs="*", default=(), metavar="F01", choices=FAULTS, help="only these")
    parser.add_argument("--quick", action="store_true", help="only what `make test` runs; no table")
    options = parser.parse_args()
    wanted = options.faults or FAULTS
    kept = None if options.quick else KEPT
    plan = Plan(options.seed, options.runs, options.faults, thorough=not options.quick, kept=kept)
    if kept is not None:
        _forget(kept, wanted)
    status = pytest.main([str(HERE), "-q", "-m", "fault", "-p", "no:cacheprovider"], plugins=[Planned(plan)])
    attempts = _tell(plan, wanted)
    return int(status) or int(not attempts and not options.quick)


def _forget(folder: Path, faults: Sequence[str]) -> None:
    """Whatever is found for these faults from now on is new."""
    for file in folder.glob("F*"):
        if file.stem in faults:
            file.unlink()


def _tell(plan: Plan, wanted: Sequence[str]) -> bool:
    """Print what was found, and keep it if it is to be; whether all that were wanted hold."""
    findings = findings_of(plan)
    print("\n".join(map(line, rows(findings))))
    print(summary(findings, wanted, lease_and_sweep_s()))
    if plan.kept is not None:
        for finding in findings:
            finding.save(plan.kept)
        known = kept_in(plan.kept)
        write(known, summary(known, FAULTS, lease_and_sweep_s()))
    return {finding.fault for finding in findings if finding.attempts} >= set(wanted)


def lease_and_sweep_s() -> float:
    """Of the suite's settings."""
    settings = Settings.load(**QUICK)
    return settings.lease_s + settings.sweep_s


if __name__ == "__main__":
    sys.exit(main())
