"""Blocks of a result's view: what page and command line show of a result, without knowing its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brushwork_schemas.artifact import Artifact

# A text in several languages by language code: `en`, and if there is a translation `zh`.
Localized = Mapping[str, str]


def localized(text: Localized, language: str) -> str:
    """Return the text in a language, or in English where there is no translation."""
    return text.get(language) or text["en"]


@dataclass(frozen=True)
class Text:
    """A sentence that the model wrote, such as a caption."""

    text: str


@dataclass(frozen=True)
class Scores:
    """Labels with scores, highest first.

    Args:
        rows: Label and score, 0 to 1.
    """

    rows: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        title: Heading.
        columns: Headings of the columns.
        rows: Cells as text; a row has as many cells as there are columns.
        note: A sentence that explains the numbers.
        name: Name of the table in HTML, for tests and style sheets.
    """

    title: Localized
    columns: Sequence[Localized]
    rows: Sequence[Sequence[str]]
    note: Localized | None = None
    name: str = "table"


@dataclass(frozen=True)
class Legend:
    """The classes of a mask: an indexed PNG whose pixels are indices into `labels`.

    Args:
        mask: The mask.
        labels: Name of each class.
        areas: Share of the picture by class name, 0 to 1, of the classes that occur.
    """

    mask: Artifact
    labels: Sequence[str]
    areas: Mapping[str, float]


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Args:
        name: What it shows.
        values: One value for each step, the first step first; None where nothing was measured.
    """

    name: Localized
    values: Sequence[float | None]


@dataclass(frozen=True)
class Chart:
    """Values by step, as lines of one chart.

    Args:
        title: What is measured.
        lines: The lines.
        num_steps: Steps on the horizontal axis, those to come included.
        is_share: Whether values are shares from 0 to 1, shown in percent.
    """

    title: Localized
    lines: Sequence[Line]
    num_steps: int
    is_share: bool = False


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: rows are true classes, columns are answers.

    Args:
        labels: Names of the classes.
        rows: Counts.
    """

    title: Localized
    labels: Sequence[str]
    rows: Sequence[Sequence[int]]
    note: Localized | None = None


Block = Text | Scores | Table | Legend | Chart | Matrix
