"""The lines of charts on a job's page: within their frame, whatever was measured."""

from collections.abc import Sequence

import pytest
from brushwork.page.views.curve_chart import HEIGHT, WIDTH, DrawnChart, drawn
from brushwork_schemas.kinds.view import Chart, Line


def chart(*values: Sequence[float | None], num_steps: int, is_share: bool = False) -> DrawnChart:
    lines = [Line({"en": f"line {number}"}, each) for number, each in enumerate(values)]
    return drawn(Chart({"en": "Loss"}, lines, num_steps, is_share))


def points(chart: DrawnChart, line: int) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in chart.lines[line].points.split())]


def test_nothing_is_drawn_before_the_first_measurement() -> None:
    assert chart(num_steps=10).lines == chart([], [None], num_steps=10).lines == []


def test_a_line_grows_towards_the_last_step_there_will_be() -> None:
    accuracy = chart([number / 10 for number in range(1, 6)], num_steps=9, is_share=True)
    loss = chart([1 / number for number in range(1, 6)], num_steps=9)
    assert (accuracy.top, accuracy.lines[0].last) == (1.0, "50 %")
    assert (loss.top, loss.lines[0].last) == (1.0, "0.200")
    across = [x for x, _ in points(accuracy, 0)]
    assert across == [0.0, 12.5, 25.0, 37.5, 50.0]
    heights = [y for _, y in points(accuracy, 0)]
    assert heights == sorted(heights, reverse=True)


def test_the_last_line_is_the_most_prominent_one_and_lines_without_values_are_left_out() -> None:
    both = chart([1.0, 0.5], [None, None], [2.0, 1.0], num_steps=2)
    assert [(line.name["en"], line.style) for line in both.lines] == [("line 0", 1), ("line 2", 0)]


def test_a_step_without_a_value_is_skipped() -> None:
    assert [x for x, _ in points(chart([1.0, None, 1.0], num_steps=3), 0)] == [0.0, 100.0]


@pytest.mark.parametrize("loss", [0.0, 1e-9, 3.0, 1e9])
def test_it_stays_in_its_frame(loss: float) -> None:
    for each in (
        chart([loss] * 2, [2 * loss] * 2, num_steps=2),
        chart([0.5, loss], num_steps=2, is_share=True),
    ):
        for number in range(len(each.lines)):
            for x, y in points(each, number):
                assert 0 <= x <= WIDTH
                assert 0 <= y <= HEIGHT


def test_a_single_value_is_seen() -> None:
    (start, end) = points(chart([0.5], num_steps=50), 0)
    assert end[0] > start[0]
