"""Blocks of a result's view: what page and command line show of a result, without knowing its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.result import Explanation

# A text in several languages by language code: `en`, and if there is a translation `zh`.
Localized = Mapping[str, str]
# A text that is the same in all languages, such as a number or a name, or a text in several languages.
Cell = str | Localized


def localized(text: Cell, language: str) -> str:
    """Return the text in a language, else in English, else in any language that it has."""
    if isinstance(text, str):
        return text
    return text.get(language) or text.get("en") or next(iter(text.values()), "")


def in_percent(share: float) -> str:
    """Return a share as text, such as `93 %`.

    Shares below 10 % keep one digit after the point. A share that is not 0 never reads as 0.

    Args:
        share: 0 to 1.
    """
    hundredths = share * 100
    if 0 < hundredths < 0.1:
        return "< 0.1 %"
    return f"{hundredths:.1f} %" if hundredths < 10 else f"{hundredths:.0f} %"


@dataclass(frozen=True)
class Text:
    """A sentence that the model wrote, such as a caption."""

    text: str


@dataclass(frozen=True)
class Scores:
    """Labels with scores, highest first, shown as bars.

    Args:
        rows: Label and score, 0 to 1.
        title: Heading.
    """

    rows: Sequence[tuple[str, float]]
    title: Localized = field(default_factory=lambda: {"en": "Scores", "zh": "得分"})


@dataclass(frozen=True)
class Properties:
    """Named values, one in each row.

    Args:
        title: Heading.
        rows: Name and value.
    """

    title: Localized
    rows: Sequence[tuple[Localized, Cell]]


@dataclass(frozen=True)
class PictureNotes:
    """Short notes that stand under the main pictures of a result, such as their seeds.

    Args:
        notes: For each main picture its notes, in the order of `Kind.main_pictures`.
    """

    notes: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        title: Heading.
        columns: Headings of the columns.
        rows: Cells; a row has as many cells as there are columns.
        note: A sentence that explains the numbers.
        name: Name of the table in HTML, for tests and style sheets.
        is_folded: Whether the page shows only the heading until the reader opens the table.
    """

    title: Localized
    columns: Sequence[Localized]
    rows: Sequence[Sequence[Cell]]
    note: Localized | None = None
    name: str = "table"
    is_folded: bool = False


@dataclass(frozen=True)
class Legend:
    """The classes of a mask: an indexed PNG whose pixels are indices into `labels`.

    Args:
        mask: The mask.
        labels: Name of each class.
        areas: Share of the picture by class name, 0 to 1, of the classes that occur.
        title: Heading.
    """

    mask: Artifact
    labels: Sequence[str]
    areas: Mapping[str, float]
    title: Localized = field(
        default_factory=lambda: {
            "en": "Classes and their share of the picture",
            "zh": "各类别及其占图片的比例",
        }
    )


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
        lines: The lines, the most important one last; none before the first measurement.
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
        title: Heading.
        labels: Names of the classes.
        rows: Counts.
        note: A sentence that explains rows and columns.
    """

    title: Localized
    labels: Sequence[str]
    rows: Sequence[Sequence[int]]
    note: Localized | None = None


@dataclass(frozen=True)
class Explained:
    """Why the model gave a result: maps over a picture, and words with their probabilities.

    A result with the field `explanation` has this block without further ado. A kind that returns it from
    `view` can set its title, or show several.

    Args:
        explanation: What the handler has returned as `explanation`.
        text: The prompt whose words have maps; empty if there is none. Words of a generated text are tokens
            of the explanation.
        pictures: The picture under each map, in the order of the maps. Without them, it is the first picture
            of the pair, or the picture that was given.
        title: Heading.
    """

    explanation: Explanation
    text: str = ""
    pictures: Sequence[Artifact] = ()
    title: Localized = field(default_factory=lambda: {"en": "Explanation", "zh": "解释"})


Block = Text | Scores | Properties | PictureNotes | Table | Legend | Chart | Matrix | Explained
