"""Charts of a job's page as SVG lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from brushwork_schemas.kinds.view import Chart, Line, Localized, in_percent

WIDTH, HEIGHT = 100.0, 40.0
# A line along the edge of the drawing would be cut in half.
MARGIN = 1.0


@dataclass(frozen=True)
class DrawnLine:
    """A line of a chart.

    Args:
        name: What the line shows.
        points: Points as the SVG element `polyline` takes them, within `WIDTH` x `HEIGHT`.
        last: The last measured value as text.
        style: Number of the line's style; 0 is the most prominent one.
    """

    name: Localized
    points: str
    last: str
    style: int


@dataclass(frozen=True)
class DrawnChart:
    """A chart with its lines drawn.

    Args:
        title: What is measured.
        top: Value at the upper edge. The lower edge is 0.
        lines: The lines; none before the first measurement.
    """

    title: Localized
    top: float
    lines: Sequence[DrawnLine]


def drawn(chart: Chart) -> DrawnChart:
    """Draw the lines of a chart. Lines without a measured value are left out."""
    measured = [line for line in chart.lines if _measured(line)]
    top = (
        1.0 if chart.is_share else max([value for line in measured for _, value in _measured(line)] + [1e-9])
    )
    lines = [
        DrawnLine(
            line.name,
            _points(_measured(line), chart.num_steps, top),
            _last(line, is_share=chart.is_share),
            style=len(measured) - 1 - index,
        )
        for index, line in enumerate(measured)
    ]
    return DrawnChart(chart.title, top, lines)


def _measured(line: Line) -> list[tuple[int, float]]:
    return [(index, value) for index, value in enumerate(line.values) if value is not None]


def _last(line: Line, *, is_share: bool) -> str:
    _, value = _measured(line)[-1]
    return in_percent(value) if is_share else f"{value:.3f}"


def _points(measured: Sequence[tuple[int, float]], num_steps: int, top: float) -> str:
    step = WIDTH / max(1, num_steps - 1)
    places = [
        (index * step, MARGIN + (HEIGHT - 2 * MARGIN) * (1 - min(max(value / top, 0), 1)))
        for index, value in measured
    ]
    # A single point would be invisible, so that it becomes a short line.
    if len(places) == 1:
        x, y = places[0]
        return f"{x:.2f},{y:.2f} {min(x + min(step, 2.0), WIDTH):.2f},{y:.2f}"
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
