"""Facts of results in a terminal, and the names of saved files."""

from pathlib import Path
from typing import Any

import pytest
from brushwork import Job
from brushwork.cli.views.job import save_files
from brushwork.cli.views.result import files, pictures, result_facts, running_facts
from brushwork.testing import FakeClient
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState

from tests.clients import png

PICTURE = {"image": png()}
WORDS = {"prompt": "a circle", "seed": 5}
CASES: dict[str, tuple[dict[str, Any], list[str], tuple[str, str]]] = {
    "text-to-image": (
        {**WORDS, "num_images_per_prompt": 2}, ["0.png", "1.png"], ("image 1", "64x64, seed 6"),
    ),
    "image-to-image": ({**WORDS, **PICTURE}, ["0.png"], ("image 0", "16x8, seed 5")),
    "image-editing": (
        {"prompt": "make it blue", "images": [png()], "seed": 5}, ["0.png"], ("image 0", "16x8, seed 5"),
    ),
    "inpainting": ({**WORDS, **PICTURE, "mask_image": png("white")}, ["0.png"], ("image 0", "16x8, seed 5")),
    "image-upscaling": (PICTURE, ["upscaled.png"], ("image", "32x16, 2 times as wide")),
    "text-to-video": (
        {**WORDS, "num_videos_per_prompt": 2}, ["0.mp4", "0-poster.jpg", "1.mp4", "1-poster.jpg"],
        ("video 1", "64x64, 8 frames at 8 fps, 1 s, seed 6"),
    ),
    "image-to-video": (
        {**PICTURE, "seed": 5}, ["0.mp4", "0-poster.jpg"],
        ("video 0", "64x64, 8 frames at 8 fps, 1 s, seed 5"),
    ),
    "image-to-text": (
        {**PICTURE, "num_beams": 2, "num_return_sequences": 2}, [],
        ("candidate 2", "-1.000  a red circle (2)"),
    ),
    "image-classification": (PICTURE, [], ("circle", "70.0%")),
    "image-segmentation": (PICTURE, ["mask.png", "overlay.png"], ("circle", "25.0% of the picture")),
    "image-preprocessing": (PICTURE, ["control.png"], ("image", "16x8")),
    "image-classification-training": (
        {"dataset": b"PK\x03\x04", "num_train_epochs": 2},
        ["weights.safetensors", "config.json", "plot.png", "wrong-1.png"],
        ("epoch 2", "loss 0.500, 75.0% correct, validation 70.0%, 0.1 s"),
    ),
}  # fmt: skip


def done(kind: str) -> Job:
    return FakeClient(auto=True).submit(kind, **CASES[kind][0]).raise_for_state()


def test_there_is_a_case_for_each_kind() -> None:
    assert CASES.keys() == all_kinds().keys()


@pytest.mark.parametrize("kind", CASES)
def test_what_is_said_of_a_result(kind: str) -> None:
    _, names, fact = CASES[kind]
    job = done(kind)
    assert fact in list(result_facts(job))
    assert list(files(job)) == names
    shown = {".png": "image/png", ".jpg": "image/jpeg"}
    assert [artifact.media_type for artifact in pictures(job)] == [
        # Pictures of the data set are no results.
        shown[name[-4:]]
        for name in names
        if name[-4:] in shown and not name.startswith("wrong")
    ]


def test_files_are_saved_by_their_names(tmp_path: Path) -> None:
    job = done("image-classification-training")
    saved = save_files(job, tmp_path / "new")
    assert {file.name for file in saved} == {f"{job.id}-{name}" for name in files(job)}
    assert saved[0].read_bytes() == job.result.weights.bytes()


def test_a_picture_that_was_blacked_out_is_told_of() -> None:
    client = FakeClient(auto=True)
    client.answer("text-to-image", {"nsfw_content_detected": [True]})
    job = client.submit("text-to-image", prompt="x", seed=1)
    assert next(result_facts(job))[1].endswith("replaced with black by the safety checker")


def test_objects_are_listed_up_to_a_bound() -> None:
    rle = {"size": [8, 16], "counts": "0"}
    objects = [
        {"id": number, "label": "cat", "score": 0.5, "area": 9, "bbox": [1, 2, 3, 4], "segmentation": rle}
        for number in range(1, 25)
    ]
    client = FakeClient(auto=True)
    client.answer("image-segmentation", {"segments": objects})
    said = list(result_facts(client.submit("image-segmentation", image=png())))
    assert ("segment 1", "cat, 50.0%, 3x4 at 1, 2") in said
    assert said[-1] == ("", "and 4 more")


def test_a_training_that_runs_has_nothing_to_say_at_first() -> None:
    job = FakeClient().submit("image-classification-training", dataset=b"PK\x03\x04")
    assert list(running_facts(job)) == list(result_facts(job)) == []


def test_a_training_that_runs_shows_its_epochs() -> None:
    epoch = Epoch(epoch=1, train_loss=0.5, train_accuracy=0.75, seconds=1.5)
    waiting = FakeClient().submit("image-classification-training", dataset=b"PK\x03\x04")
    running = waiting.model_copy(update={"curve": (epoch,), "state": JobState.RUNNING})
    assert list(running_facts(running)) == [("Epoch 1", "Loss 0.5000, Accuracy 75 %, Seconds 1.5")]
