"""Loss and accuracy of a training by epoch, as lines to be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from brushwork_schemas.kinds.image_classification_training import Epoch

WIDTH, HEIGHT = 100.0, 40.0
# A line that runs along the edge would be cut in half.
MARGIN = 1.0


@dataclass(frozen=True)
class ChartLine:
    """One line.

    Args:
        part: `train` or `validation`.
        points: As SVG's `polyline` takes them, within `WIDTH` x `HEIGHT`.
        last: Its last value.
    """

    part: str
    points: str
    last: float


@dataclass(frozen=True)
class Chart:
    """The lines of one measure.

    Args:
        measure: `loss` or `accuracy`.
        top: The value at the upper edge; the lower edge is 0.
    """

    measure: str
    top: float
    lines: Sequence[ChartLine]


def charts(curve: Sequence[Epoch], num_epochs: int) -> list[Chart]:
    """Accuracy and loss; none before the first epoch has ended.

    Args:
        curve: The epochs so far.
        num_epochs: How many there will be at most: the width of the charts.
    """
    return [_chart(measure, curve, max(num_epochs, len(curve))) for measure in ("accuracy", "loss") if curve]


def _chart(measure: str, curve: Sequence[Epoch], num_epochs: int) -> Chart:
    values = {
        part: [getattr(each, f"{part}_{measure}") for each in curve] for part in ("train", "validation")
    }
    known = [value for series in values.values() for value in series if value is not None]
    top = 1.0 if measure == "accuracy" else max(*known, 1e-9)
    lines = [
        ChartLine(part, _points(series, num_epochs, top), series[-1])
        for part, series in values.items()
        if all(value is not None for value in series)
    ]
    return Chart(measure, top, lines)


def _points(series: Sequence[float], num_epochs: int, top: float) -> str:
    step = WIDTH / max(1, num_epochs - 1)
    heights = [MARGIN + (HEIGHT - 2 * MARGIN) * (1 - min(max(value / top, 0), 1)) for value in series]
    # A single epoch is a short line, for a point would not be seen.
    if len(heights) == 1:
        return f"0,{heights[0]:.2f} {min(step, 2.0):.2f},{heights[0]:.2f}"
    return " ".join(f"{index * step:.2f},{height:.2f}" for index, height in enumerate(heights))
