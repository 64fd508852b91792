"""What a training says of its mistakes: confused classes, and the most confident wrong answers with maps."""

from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.kinds.explanations.mistakes import mistake_blocks
from brushwork_schemas.kinds.image_classification_training import KIND
from brushwork_schemas.kinds.view import Explained, Table
from brushwork_workers.families.training.mistakes import confused_pairs, most_confident_mistakes

from tests.desks import PlainDesk
from tests.trainings import COLOURS, colours, spotted, trained

# Pictures in the wrong folder: of these, the network is sure of the other class.
MISPLACED = {
    **colours(20, below="train/"),
    **colours(4, below="validation/", first=500),
    "validation/blue/red one.png": spotted(COLOURS["red"], 900),
    "validation/green/红.png": spotted(COLOURS["red"], 901),
    "validation/red/green one.png": spotted(COLOURS["green"], 902),
}
ASKED: dict[str, Any] = {"num_train_epochs": 6, "files": MISPLACED}


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return trained(PlainDesk(), **ASKED)


def test_pictures_in_the_wrong_folder_are_named(made: dict[str, Any]) -> None:
    found = {each.file: (each.label, each.prediction) for each in made["wrong_predictions"]}
    assert found == {
        "validation/blue/red one.png": ("blue", "red"),
        "validation/green/红.png": ("green", "red"),
        "validation/red/green one.png": ("red", "green"),
    }
    scores = [each.score for each in made["wrong_predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert all(1 / 3 < score <= 1 for score in scores)
    pairs = [(pair.label, pair.prediction, pair.count) for pair in made["confused_pairs"]]
    assert pairs == [("blue", "red", 1), ("green", "red", 1), ("red", "green", 1)]


def test_each_mistake_has_its_picture_and_the_map_of_the_answer(made: dict[str, Any]) -> None:
    explanation = made["explanation"]
    assert explanation.method == "occlusion"
    assert explanation.num_calls > 0
    for wrong, found in zip(made["wrong_predictions"], explanation.maps, strict=True):
        assert found.label == wrong.prediction
        assert found.score == wrong.score
        assert wrong.picture.pil().size == found.overlay.pil().size == (16, 16)
        assert np.asarray(found.map.pil()).dtype == np.uint16


def test_an_attempt_after_the_last_epoch_explains_the_same(made: dict[str, Any]) -> None:
    context = PlainDesk()
    attempts = [made, trained(context, **ASKED), trained(context, **ASKED)]
    for name in ("wrong_predictions", "explanation"):
        first, *others = [str(attempt[name]) for attempt in attempts]
        assert others == [first, first]


def test_a_training_without_mistakes_has_an_explanation_without_maps() -> None:
    made = trained(PlainDesk(), num_train_epochs=6)
    assert made["wrong_predictions"] == made["confused_pairs"] == ()
    assert (made["explanation"].maps, made["explanation"].num_calls) == ((), 0)


def test_without_validation_pictures_only_classes_are_named() -> None:
    files = colours(4) | {f"blue/wrong {number}.png": spotted(COLOURS["red"], number) for number in range(2)}
    made = trained(PlainDesk(), validation_split=0.0, files=files, num_train_epochs=1)
    assert made["confused_pairs"]
    assert made["wrong_predictions"] == ()
    assert made["explanation"].maps == ()


def test_the_most_frequent_pairs_come_first() -> None:
    found = confused_pairs(((9, 2, 0), (5, 9, 2), (0, 0, 9)), ("a", "b", "c"), most=2)
    assert [(pair.label, pair.prediction, pair.count) for pair in found] == [("b", "a", 5), ("a", "b", 2)]


def test_the_most_confident_mistakes_come_first_and_equal_ones_in_their_order() -> None:
    logits = torch.tensor([[3.0, 0.0], [2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 5.0]])
    found = most_confident_mistakes(logits, torch.tensor([1, 0, 0, 1, 1]), most=3)
    assert [(mistake.index, mistake.prediction) for mistake in found] == [(0, 0), (3, 0), (2, 1)]


def test_results_of_earlier_versions_have_no_mistakes() -> None:
    result = KIND.result_type
    fields = result.model_fields
    assert fields["confused_pairs"].default == fields["wrong_predictions"].default == ()
    assert fields["explanation"].default is None


def test_the_view_shows_each_mistake_with_its_map(made: dict[str, Any]) -> None:
    blocks = list(mistake_blocks(made["confused_pairs"], made["wrong_predictions"], made["explanation"]))
    assert [type(block) for block in blocks] == [Table, Table, Explained]
    shown = blocks[2]
    assert isinstance(shown, Explained)
    assert len(shown.pictures) == len(shown.explanation.maps) == 3
    assert list(mistake_blocks((), (), None)) == []
