"""Occlusion, fills, overlays and curves, on models that are a few lines."""

import io

import numpy as np
import pytest
from brushwork_schemas.kinds.explanations.calls import FAITHFULNESS_STEPS
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.explanations.faithfulness import faithfulness
from brushwork_workers.explanations.fills import covering
from brushwork_workers.explanations.map_files import grey_png, saved_map
from brushwork_workers.explanations.occlusion import Occlusion, occlusion
from brushwork_workers.explanations.overlays import overlay
from PIL import Image

from tests.explained import KeptFiles

BESIDE = SerialExecutor().run_beside
SQUARE = (slice(20, 32), slice(40, 52))
METHOD = Explain(method="occlusion")


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """A white square on black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[SQUARE] = 255
    return Image.fromarray(pixels)


def brightness(seen: Image.Image) -> list[float]:
    """Scores of a model that sees the white square alone, and of one that sees nothing."""
    return [float(np.asarray(seen)[SQUARE].mean() / 255), 0.5]


def explained(explain: Explain = METHOD) -> Occlusion:
    return occlusion(picture(), explain, brightness(picture()), brightness, BESIDE)


@pytest.mark.parametrize("settings", [{}, {"patch_size": 8, "stride": 8}, {"patch_size": 9, "stride": 2}])
def test_the_map_is_where_the_model_looks(settings: dict[str, int]) -> None:
    found = explained(METHOD.model_copy(update={**settings, "fill": "black"}))
    values = found.map(0)
    assert values.shape == (48, 64)
    assert values.min() == 0
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert 20 <= row < 32
    assert 40 <= column < 52
    inside = np.zeros_like(values)
    inside[SQUARE] = 1
    assert (values * inside).sum() / values.sum() > 0.45
    assert found.baseline[0] == 0
    assert found.num_calls == found.grid.num_windows + 1


def test_a_score_that_no_part_changes_has_an_empty_map() -> None:
    assert not explained().map(1).any()


@pytest.mark.parametrize(
    ("own", "covered", "is_empty"),
    [
        (0.12, 0.11, True),
        (0.05, 0.03, False),
        (0.998, 0.98, False),
        (0.5, 0.0, False),
        (1.0, 0.999999, True),
        (0.0, 0.0, True),
        # Logarithms of probabilities.
        (0.0, -3.0, False),
        (-0.01, -0.02, True),
        (-2.0, -1.0, True),
        (-2.0, -2.5, False),
    ],
)
def test_a_map_is_empty_if_no_part_changes_the_odds(own: float, covered: float, *, is_empty: bool) -> None:
    found = occlusion(picture(), METHOD, [own], lambda seen: [covered], BESIDE)
    assert found.map(0).any() != is_empty


def test_several_scores_take_the_calls_of_one() -> None:
    calls: list[int] = []
    occlusion(picture(), METHOD, [1.0, 0.5], lambda seen: (calls.append(1), brightness(seen))[1], BESIDE)
    assert len(calls) == explained().num_calls


@pytest.mark.parametrize(("width", "height"), [(64, 48), (1, 1), (3, 200), (700, 5), (65, 64)])
def test_every_pixel_of_any_picture_has_a_value(width: int, height: int) -> None:
    """A score that falls wherever a part is covered."""
    white = Image.new("RGB", (width, height), "white")
    whole = [1.0]

    def mean(seen: Image.Image) -> list[float]:
        return [1 - 4 * (1 - float(np.asarray(seen).mean() / 255))]

    found = occlusion(white, METHOD.model_copy(update={"fill": "black"}), whole, mean, BESIDE)
    assert found.map(0).shape == (height, width)
    assert np.isfinite(found.map(0)).all()
    assert (found.map(0) > 0).all()


@pytest.mark.parametrize(
    ("fill", "colour"),
    [("black", 0), ("gray", 128), ("white", 255), ("mean", round(255 * 12 * 12 / 64 / 48))],
)
def test_a_fill_of_one_colour(fill: str, colour: int) -> None:
    covered = np.asarray(covering(picture(), fill))  # type: ignore[arg-type]
    assert (covered == colour).all()
    assert covered.shape == (48, 64, 3)


def test_a_blurred_fill_has_no_edges() -> None:
    covered = np.asarray(covering(picture(), "blur"), np.float64)
    assert np.abs(np.diff(covered, axis=1)).max() < 20 < 255


def test_faithfulness_tells_a_right_map_from_a_wrong_one() -> None:
    right = np.zeros((48, 64), np.float32)
    right[SQUARE] = 1
    black = METHOD.model_copy(update={"fill": "black"})
    calls: list[int] = []

    def measured(values: np.ndarray) -> tuple[float, float]:
        found = faithfulness(
            picture(), values, black, 1.0, lambda seen: brightness(seen)[0], BESIDE, calls.append
        )
        return found.deletion, found.insertion

    deletion, insertion = measured(right)
    worse_deletion, worse_insertion = measured(1 - right)
    assert len(calls) == 4 * FAITHFULNESS_STEPS
    assert deletion < 0.1 < 0.9 < insertion
    assert worse_deletion > 0.9
    assert worse_insertion < 0.1


def test_a_map_is_stored_exactly() -> None:
    values = np.random.default_rng(0).normal(size=(48, 64)).astype(np.float32)
    kept = KeptFiles(picture())
    stored = saved_map(kept, picture(), values, "square", score=0.5)  # type: ignore[arg-type]
    assert (stored.label, stored.score, stored.pair) == ("square", 0.5, None)
    assert np.abs(kept.values_of(stored) - values).max() <= (stored.max - stored.min) / 65535
    with Image.open(io.BytesIO(kept.files[stored.overlay.sha256])) as drawn:
        assert (drawn.mode, drawn.size) == ("RGB", (64, 48))


def test_an_empty_map_says_so() -> None:
    kept = KeptFiles(picture())
    stored = saved_map(kept, picture(), np.zeros((48, 64)), "square")  # type: ignore[arg-type]
    assert stored.min == stored.max == 0
    assert not kept.values_of(stored).any()
    assert grey_png(np.full((2, 2), 7, np.float32)) == grey_png(np.zeros((2, 2), np.float32))


def test_the_colours_are_those_of_inferno() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    values = np.tile(np.linspace(0, 1, 256, dtype=np.float32), (2, 1))
    drawn = np.asarray(overlay(Image.new("RGB", (256, 2)), values), np.float64)[0]
    shown = np.minimum(values[0] / np.quantile(values[values > 0], 0.995), 1)
    expected = matplotlib.colormaps["inferno"](shown)[:, :3] * 255
    shares = (0.35 + 0.45 * shown)[:, None]
    # Between its 17 steps the colours are mixed.
    assert np.abs(drawn - expected * shares).max() < 7
    lightness = drawn @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) >= -1).all()
