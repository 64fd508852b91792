"""The table of the fault suite: one line for each fault, printed and kept in docs/reliability.md."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import enter, table
from tests.chaos.plan import Run

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
NAME = "faults"
COLUMNS = {
    "fault": "fault",
    "title": "what happens",
    "runs": "runs",
    "accepted": "jobs accepted",
    "lost": "lost",
    "twice": "done twice",
    "worst": "worst recovery, s",
}
Row = Mapping[str, Any]


def rows(runs: Sequence[Run]) -> list[Row]:
    """A row for each fault, in the order of their numbers."""
    faults = sorted({run.fault for run in runs})
    return [_row(fault, [run for run in runs if run.fault == fault]) for fault in faults]


def line(row: Row) -> str:
    """As it is printed."""
    return (
        f"{row['fault']}  {row['runs']:3} runs  {row['accepted']:6} accepted  {row['lost']} lost  "
        f"{row['twice']} twice  worst recovery {row['worst'] or '-':>5} s  {row['title']}"
    )


def write(new: Sequence[Row], page: Path = PAGE) -> None:
    """Put these rows into the page; rows of faults that were not run stay."""
    kept = {row["fault"]: row for row in _written(page)}
    kept |= {row["fault"]: row for row in new}
    enter(page, NAME, table([kept[fault] for fault in sorted(kept)], COLUMNS))


def _row(fault: str, runs: Sequence[Run]) -> Row:
    worst_s = max(run.verdict.worst_recovery_s for run in runs)
    return {
        "fault": fault,
        "title": runs[0].title,
        "runs": len(runs),
        "accepted": sum(run.verdict.accepted for run in runs),
        "lost": sum(run.verdict.lost for run in runs),
        "twice": sum(run.verdict.twice for run in runs),
        # Where nothing was taken from a worker there is nothing to recover.
        "worst": f"{worst_s:.1f}" if worst_s else "",
    }


def _written(page: Path) -> list[Row]:
    text = page.read_text("utf-8") if page.exists() else ""
    found = re.findall(r"^\| (F\d\d) \| (.*) \|$", text, re.MULTILINE)
    return [
        dict(zip(COLUMNS, [fault, *(cell.strip() for cell in cells.split("|"))], strict=True))
        for fault, cells in found
    ]
