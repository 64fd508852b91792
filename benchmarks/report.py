"""The output of a benchmark: figures as JSON, a plot, and a table in the page."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks import machine

Row = Mapping[str, Any]
DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Record:
    """The figures of one run.

    Args:
        machine: What it ran on.
        options: How it was asked to run.
        rows: One for each line of the table.
    """

    machine: machine.Facts
    options: Mapping[str, Any]
    rows: Sequence[Row]

    def save(self, file: Path) -> None:
        """Write it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read what `save` wrote."""
        return cls(**json.loads(file.read_text("utf-8")))


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A Markdown table.

    Args:
        rows: What is shown; an absent value gives an empty cell.
        columns: Each column's key in the rows, and its head.
    """
    lines = [tuple(columns.values()), tuple("---" for _ in columns)]
    lines += [tuple(_shown(row.get(key)) for key in columns) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def enter(page: Path, name: str, text: str) -> None:
    """Put `text` between the page's marks of that name, or at its end where it has none."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    block = f"{begin}\n{text}\n{end}"
    old = page.read_text("utf-8") if page.exists() else ""
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    new = marked.sub(lambda _: block, old) if marked.search(old) else f"{old}\n{block}\n".lstrip("\n")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(new, "utf-8")


def number(value: float) -> str:
    """Three digits, or all that stand before the point."""
    return f"{value:.0f}" if value == 0 or abs(value) >= 100 else f"{value:.3g}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else str(value)
