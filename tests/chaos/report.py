"""The table of the fault suite: a line for each fault and one for all; it is kept in docs/reliability.md."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import enter, table
from tests.chaos.findings import Finding
from tests.chaos.invariants import Verdict

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
NAME = "faults"
COLUMNS = {
    "fault": "fault",
    "title": "what happens",
    "runs": "runs",
    "kills": "kills",
    "accepted": "jobs accepted",
    "lost": "lost",
    "twice": "done twice",
    "given_back": "given back, p99, s",
    "run_again": "run again, p50 / p99 / worst, s",
    "settled": "all ended after, s",
}
Row = Mapping[str, Any]


def rows(findings: Sequence[Finding]) -> list[Row]:
    """A row for each fault, and a last one for all of them."""
    verdicts = [verdict for finding in findings for verdict in finding.verdicts]
    each = [_row(finding.fault, finding.title, finding.verdicts) for finding in findings]
    return [*each, _row("all", "", verdicts)]


def line(row: Row) -> str:
    """As it is printed."""
    return (
        f"{row['fault']:3} {row['runs']:4} runs {row['kills']:4} kills {row['accepted']:6} accepted "
        f"{row['lost']} lost {row['twice']} twice  given back {row['given_back'] or '-':>5}  "
        f"run again {row['run_again'] or '-':>18}  all ended {row['settled'] or '-':>5}  {row['title']}"
    )


def summary(findings: Sequence[Finding], wanted: Collection[str], bound_s: float) -> str:
    """How many hold, and the recovery of all beside what it may take.

    Args:
        findings: What is known.
        wanted: The faults that count; one of which nothing is known does not hold.
        bound_s: Lease and sweep of the suite.
    """
    attempt = {finding.fault for finding in findings if finding.attempts} & set(wanted)
    verdicts = [verdict for finding in findings for verdict in finding.verdicts]
    given_back = [s for verdict in verdicts for s in verdict.given_back_s]
    recoveries = [s for verdict in verdicts for s in verdict.recoveries_s]
    words = f"{len(attempt)} of {len(wanted)} hold."
    if broken := sorted(set(wanted) - attempt):
        words += f" Not shown: {', '.join(broken)}."
    waits = {"given back": given_back, "run again": recoveries}
    known = [f"{name} {percentile(seconds, 0.99):.2f} s" for name, seconds in waits.items() if seconds]
    if known:
        words += f" Of {len(recoveries)} jobs whose worker was hit, p99: {', '.join(known)}"
        words += f"; lease and sweep are {bound_s:g} s."
    return words


def write(findings: Sequence[Finding], words: str, page: Path = PAGE) -> None:
    """Put the table and these words into the page."""
    enter(page, NAME, f"{table(rows(findings), COLUMNS)}\n\n{words}")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so many are not above."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _row(fault: str, title: str, verdicts: Sequence[Verdict]) -> Row:
    given_back = [s for verdict in verdicts for s in verdict.given_back_s]
    again = [s for verdict in verdicts for s in verdict.recoveries_s]
    shares = [f"{percentile(again, share):.2f}" for share in (0.5, 0.99, 1) if again]
    settled = [verdict.settled_s for verdict in verdicts if verdict.settled_s is not None]
    return {
        "fault": fault,
        "title": title,
        "runs": len(verdicts),
        "kills": sum(verdict.kills for verdict in verdicts),
        "accepted": sum(verdict.accepted for verdict in verdicts),
        "lost": sum(verdict.lost for verdict in verdicts),
        "twice": sum(verdict.twice for verdict in verdicts),
        # Where nothing was taken from a worker there is nothing to recover.
        "given_back": f"{percentile(given_back, 0.99):.2f}" if given_back else "",
        "run_again": " / ".join(shares),
        "settled": f"{max(settled):.1f}" if settled else "",
    }
