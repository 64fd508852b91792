"""Classifiers of every family from folders, through catalogue, Redis and a worker: what upstream says."""

import io
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

from tests.drawn import drawn, png
from tests.every_model import CLASSIFIERS, SHUFFLENET
from tests.explained import map_values
from tests.serving import WAIT_S, Serving, requests_for

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


def test_every_family_explains_its_class_beside_the_others(served: Serving) -> None:
    picture, coarse = drawn(3), {"method": "occlusion", "patch_size": 30, "stride": 30}
    models = {model: asked(model, 0) for model in CLASSIFIERS}
    requests = [
        {"kind": "image-classification", "model": f"tiny-{model}", "image": png(picture), **more}
        for model, more in models.items()
    ]
    gradients = ({"method": "integrated-gradients", "num_samples": 2}, {"method": "grad-cam"})
    plain = served.all(requests)
    explained = served.all(
        [request | {"explain": coarse} for request in requests]
        + [request | {"explain": each} for request in requests[1:2] for each in gradients]
    )
    for job, without in zip(explained, [*plain, plain[1], plain[1]], strict=True):
        found = job.result.explanation
        assert without.result.explanation is None
        assert given(job) == pytest.approx(given(without), abs=1e-5)
        assert job.progress.step == job.progress.total == found.num_calls + 1
        assert found.target == job.result.predictions[0].label
        (stored,) = found.maps
        assert stored.score == pytest.approx(job.result.predictions[0].score, abs=1e-5)
        values = map_values(stored, served.client.artifact_bytes(stored.map))
        assert values.shape == (picture.height, picture.width)
        with Image.open(io.BytesIO(served.client.artifact_bytes(stored.overlay))) as overlay:
            assert overlay.size == picture.size


def test_what_cannot_be_explained_says_why(served: Serving) -> None:
    """Problems that only the worker can see."""
    request = {"kind": "image-classification", "image": png(drawn(3))}
    wrong = [
        ({"model": "tiny-vit", "explain": "grad-cam"}, "no feature maps", "explain.method"),
        ({"model": "tiny-vit", "explain": {"target": "no such class"}}, "no class", "explain.target"),
    ]
    jobs = served.client.submit_many([request | more for more, _, _ in wrong])
    for job, (_, words, field) in zip(jobs, wrong, strict=True):
        error = served.client.wait(job.id, timeout_s=WAIT_S).error
        assert error is not None
        assert words in error.message
        assert error.field == field
