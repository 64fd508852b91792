"""The lines of a training's page: within their frame, whatever was measured."""

import pytest
from brushwork.page.views.curve_chart import HEIGHT, WIDTH, Chart, charts
from brushwork_schemas.kinds.image_classification_training import Epoch


def epoch(number: int, loss: float, accuracy: float, **validation: float) -> Epoch:
    return Epoch(epoch=number, train_loss=loss, train_accuracy=accuracy, seconds=1.0, **validation)


def points(chart: Chart, part: str) -> list[tuple[float, float]]:
    (line,) = [line for line in chart.lines if line.part == part]
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.points.split())]


def test_nothing_is_drawn_before_the_first_epoch() -> None:
    assert charts([], 10) == []


def test_a_line_grows_towards_the_last_epoch_there_will_be() -> None:
    accuracy, loss = charts([epoch(number, 1 / number, number / 10) for number in range(1, 6)], 9)
    assert (accuracy.measure, accuracy.top, loss.measure, loss.top) == ("accuracy", 1.0, "loss", 1.0)
    across = [x for x, _ in points(accuracy, "train")]
    assert across == [0.0, 12.5, 25.0, 37.5, 50.0]
    heights = [y for _, y in points(accuracy, "train")]
    assert heights == sorted(heights, reverse=True)
    assert [line.part for line in accuracy.lines] == ["train"]


@pytest.mark.parametrize("loss", [0.0, 1e-9, 3.0, 1e9])
def test_it_stays_in_its_frame(loss: float) -> None:
    one = epoch(1, loss, 0.5, validation_loss=2 * loss, validation_accuracy=1.0)
    for chart in charts([one, one], 2):
        assert len(chart.lines) == 2
        for line in chart.lines:
            for x, y in points(chart, line.part):
                assert 0 <= x <= WIDTH
                assert 0 <= y <= HEIGHT


def test_a_single_epoch_is_seen() -> None:
    (start, end) = points(charts([epoch(1, 0.5, 0.5)], 50)[0], "train")
    assert end[0] > start[0]
