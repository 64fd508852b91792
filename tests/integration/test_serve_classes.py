"""Classifiers of every family from folders, through catalogue, Redis and a worker: what upstream says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from brushwork_schemas.job import Job
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import get_model, get_weight
from transformers import pipeline

from tests.drawn import drawn
from tests.every_model import CLASSIFIERS, SHUFFLENET
from tests.serving import Serving, requests_for

LABELS = (
    ("red circle", "green square"),
    ("a dog", "a cat", "a star", "red"),
    ("green", "a red star of a green dog", "cat"),
)
Scores = Mapping[str, float]


def asked(model: str, index: int) -> dict[str, Any]:
    """The parameters of the job of that number, all but the picture."""
    if model not in ("clip", "siglip"):
        return {"top_k": 1000}
    more = {"hypothesis_template": "{} ."} if index % 2 else {}
    return {"candidate_labels": LABELS[index % len(LABELS)], **more}


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "classes"


def upstream(model: str, folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Scores]:
    """The library called directly: from picture and parameters to the score of each label."""
    if model == "shufflenet":
        return torchvision_scores(folder / model)
    task = "zero-shot-image-classification" if model in ("clip", "siglip") else "image-classification"
    stock: Any = cast(Any, pipeline)(task, model=str(folder / model))

    def scores(picture: Image.Image, parameters: Mapping[str, Any]) -> Scores:
        asked = dict(parameters)
        if "candidate_labels" in asked:
            asked["candidate_labels"] = list(asked["candidate_labels"])
        return {found["label"]: found["score"] for found in stock(picture, **asked)}

    return scores


def torchvision_scores(folder: Path) -> Callable[[Image.Image, Mapping[str, Any]], Scores]:
    network = get_model("shufflenet_v2_x0_5", weights=None)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    weights = get_weight(SHUFFLENET)

    def scores(picture: Image.Image, _: Mapping[str, Any]) -> Scores:
        with torch.no_grad():
            made = network.eval()(weights.transforms()(picture)[None])[0].softmax(0)
        return dict(zip(weights.meta["categories"], made.tolist(), strict=True))

    return scores


def given(job: Job) -> Scores:
    return {found.label: found.score for found in job.result.predictions}


@pytest.mark.parametrize("model", CLASSIFIERS)
def test_alone_and_eight_at_once_equal_upstream(model: str, served: Serving, folder: Path) -> None:
    pictures = [drawn(seed) for seed in range(8)]
    stock = upstream(model, folder)
    expected = [stock(picture, asked(model, index)) for index, picture in enumerate(pictures)]
    requests = requests_for("image-classification", model, pictures, asked)
    alone = served.one(**requests[0])
    together = served.all(requests)
    for job, scores in zip([alone, *together], [expected[0], *expected], strict=True):
        assert given(job) == pytest.approx(scores, abs=1e-3)
        ordered = [found.score for found in job.result.predictions]
        assert ordered == sorted(ordered, reverse=True)
    spread = max(abs(expected[0][label] - expected[6].get(label, 0)) for label in expected[0])
    assert spread > 3e-3, "the pictures are too much alike for this test to show anything"
