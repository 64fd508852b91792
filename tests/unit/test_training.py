"""Trainings without a system around them: what they learn, give, leave behind, and go on from."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from brushwork_schemas.errors import InvalidDataset, InvalidRequest, JobStopped
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_workers.families.training.dataset_split import batches_of, held_out
from brushwork_workers.families.training.simple_cnn import SimpleCNN
from brushwork_workers.families.training.training_loop import best_epoch
from safetensors.torch import load

from tests.archives import folders, png
from tests.desks import PlainDesk
from tests.trainings import COLOURS, colours, trained


def weights(made: dict[str, Any]) -> dict[str, torch.Tensor]:
    return load(made["weights"].bytes())


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    mine, theirs = weights(one), weights(other)
    assert set(mine) == set(theirs)
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


def test_it_learns_and_says_how_well() -> None:
    context = PlainDesk()
    made = trained(context, num_train_epochs=6)
    assert made["labels"] == tuple(COLOURS)
    assert made["model_name"] == "trained:job-1"
    assert made["validation_accuracy"] == 1.0
    assert made["confusion_matrix"] == ((2, 0, 0), (0, 2, 0), (0, 0, 2))
    assert (made["num_train_images"], made["num_validation_images"]) == (24, 6)
    assert [epoch.epoch for epoch in made["curve"]] == [1, 2, 3, 4, 5, 6]
    assert made["curve"][-1].train_loss < made["curve"][0].train_loss
    assert made["plot"].pil().size == (960, 420)
    config = json.loads(made["config"].bytes())
    assert (config["architecture"], config["labels"]) == ("simple_cnn", list(COLOURS))


def test_steps_only_grow_to_their_total() -> None:
    context = PlainDesk()
    trained(context)
    told = [step for step in context.steps if step != (0, 0)]
    assert {total for _, total in told} == {9}
    assert [step for step, _ in told] == sorted(step for step, _ in told)
    assert told[-1] == (9, 9)


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    one, twin, other = (trained(PlainDesk(), seed=seed, num_train_epochs=1) for seed in (5, 5, 6))
    assert largest_difference(one, twin) == 0.0
    assert largest_difference(one, other) > 1e-3


class Killed(BaseException):
    """What stands for the end of a process."""


def killing(after: int) -> Callable[[], None]:
    left = [after]

    def kill() -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed

    return kill


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("augmentation", ["none", "strong"])
def test_the_next_attempt_ends_as_if_nothing_had_happened(optimizer: str, augmentation: str) -> None:
    asked: dict[str, Any] = {"num_train_epochs": 4, "optimizer": optimizer, "augmentation": augmentation}
    whole = trained(PlainDesk(), **asked)
    context = PlainDesk()
    context.on_save = killing(2)
    with pytest.raises(Killed):
        trained(context, **asked)
    context.on_save, first = None, len(context.steps)
    resumed = trained(context, **asked)
    assert [epoch.epoch for epoch in resumed["curve"]] == [1, 2, 3, 4]
    assert min(step for step, total in context.steps[first:] if total) >= 6, "epochs that were done"
    assert largest_difference(whole, resumed) == 0.0
    same = [epoch.model_dump(exclude={"seconds"}) for epoch in resumed["curve"]]
    assert same == [epoch.model_dump(exclude={"seconds"}) for epoch in whole["curve"]]


def test_a_checkpoint_of_something_else_means_to_begin_anew() -> None:
    context = PlainDesk()
    epoch = Epoch(epoch=1, train_loss=1, train_accuracy=0, seconds=0)
    context.save_checkpoint(b"no safetensors", [epoch.model_dump(mode="json")])
    assert len(trained(context)["curve"]) == 3


def test_a_finished_training_whose_end_was_not_written_is_not_trained_again() -> None:
    context = PlainDesk()
    whole = trained(context)
    first = len(context.steps)
    again = trained(context)
    assert {step for step, total in context.steps[first:] if total} == {9}
    assert largest_difference(whole, again) == 0.0


def test_it_stops_early_and_keeps_the_best() -> None:
    made = trained(PlainDesk(), num_train_epochs=60, early_stopping_patience=2, learning_rate=3e-3)
    assert len(made["curve"]) < 60
    assert made["best_epoch"] == len(made["curve"]) - 2
    assert made["validation_accuracy"] == made["curve"][made["best_epoch"] - 1].validation_accuracy


def test_it_stops_when_it_is_told_to() -> None:
    def stop(step: int, total: int) -> None:
        if step == 4:
            raise JobStopped("told to")

    context = PlainDesk(stop)
    with pytest.raises(JobStopped):
        trained(context)
    assert context.kept is not None
    assert len(context.kept.summary) == 1


def test_a_folder_to_judge_by_is_used_and_nothing_is_held_out_then() -> None:
    files = colours(below="train/") | colours(3, below="validation/", first=500)
    made = trained(PlainDesk(), files=files)
    assert (made["num_train_images"], made["num_validation_images"]) == (30, 9)


def test_without_pictures_to_judge_by_it_is_judged_by_what_it_learned() -> None:
    made = trained(PlainDesk(), validation_split=0.0)
    assert (made["num_validation_images"], made["validation_accuracy"], made["best_epoch"]) == (0, None, 3)
    assert sum(map(sum, made["confusion_matrix"])) == 30


def test_who_looks_sees_the_curves() -> None:
    context = PlainDesk(watched=True)
    trained(context)
    assert [picture.size for picture in context.previews] == [(960, 420)] * 3


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"freeze_backbone": True}, "freeze_backbone"),
        ({"early_stopping_patience": 1, "validation_split": 0.0}, "early_stopping_patience"),
        (
            {"learning_rate": 10.0, "num_train_epochs": 50, "optimizer": "adamw", "weight_decay": 1.0},
            "learning_rate",
        ),
    ],
)
def test_what_can_not_be_learned_so_is_said(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        trained(PlainDesk(), **asked)
    assert raised.value.field == field


def test_a_file_that_is_no_picture_is_named() -> None:
    with pytest.raises(InvalidDataset, match=r"'dog/a.png': not a readable picture"):
        trained(PlainDesk(), files=folders("cat", "dog") | {"dog/a.png": b"x", "dog/b.png": png()})


@pytest.mark.parametrize("image_size", [16, 28, 65, 512])
@pytest.mark.parametrize("num_classes", [2, 10])
def test_the_network_takes_every_size_and_number_of_classes(image_size: int, num_classes: int) -> None:
    network = SimpleCNN(num_classes, image_size)
    assert network(torch.zeros(1, 3, image_size, image_size)).shape == (1, num_classes)
    assert sum(parameter.numel() for parameter in network.parameters()) < 2_200_000


def test_one_picture_alone_joins_those_before_it() -> None:
    assert [len(piece) for piece in batches_of(torch.arange(9), 4)] == [4, 5]
    assert [len(piece) for piece in batches_of(torch.arange(9), 1)] == [1] * 9
    assert [len(piece) for piece in batches_of(torch.arange(1), 4)] == [1]


def test_of_each_class_the_share_is_held_out() -> None:
    labels = torch.tensor([0] * 10 + [1] * 100 + [2] * 2)
    held = held_out(labels, 0.2, seed=3)
    assert [int(held[labels == label].sum()) for label in range(3)] == [2, 20, 1]
    assert not held_out(labels, 0.0, seed=3).any()
    assert [int(held_out(labels, 0.9, seed=3)[labels == label].sum()) for label in range(3)] == [9, 90, 1]


def test_the_best_is_most_often_right_then_surest_then_last() -> None:
    def curve(*rows: tuple[float, float]) -> list[Epoch]:
        return [
            Epoch(
                epoch=index + 1,
                train_loss=1.0,
                train_accuracy=0.0,
                validation_accuracy=accuracy,
                validation_loss=loss,
                seconds=0.0,
            )
            for index, (accuracy, loss) in enumerate(rows)
        ]

    assert best_epoch([]) == 0
    assert best_epoch(curve((0.5, 1.0), (0.9, 0.4), (0.9, 0.3), (0.8, 0.1))) == 3
    assert best_epoch([Epoch(epoch=1, train_loss=1, train_accuracy=1, seconds=1)]) == 1
