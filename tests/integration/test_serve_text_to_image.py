"""Pictures of each family through the queue equal those of diffusers, alone and eight at once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job

from tests.checkpoints.generators import STEPS, TINY
from tests.equality import assert_equals
from tests.serving import Serving
from tests.upstream_generation import Upstream

GUIDANCE = 2.5


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "generators"


def requests(name: str) -> list[dict[str, Any]]:
    """Eight, no two alike in what sets the way of their calls."""
    tiny = TINY[name]
    plain = {
        "prompt": "a red circle",
        "width": tiny.side,
        "height": tiny.side,
        "num_inference_steps": STEPS,
        "guidance_scale": GUIDANCE,
    }
    changes: list[dict[str, Any]] = [
        {},
        {"prompt": "star star star"},
        {"num_inference_steps": STEPS + 2},
        {"guidance_scale": 1.0},
        {"num_images_per_prompt": 2},
        {"scheduler": tiny.scheduler, "num_inference_steps": STEPS + 1},
        tiny.more,
        {"width": tiny.other_side},
    ]
    return [{**plain, "seed": seed, **change} for seed, change in enumerate(changes)]


def submitted(name: str, request: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "text-to-image", "model": name, **request}


@pytest.mark.parametrize("name", TINY)
def test_a_family_gives_what_diffusers_gives(served: Serving, folder: Path, name: str) -> None:
    tiny, asked = TINY[name], requests(name)
    jobs = [served.one(**submitted(name, asked[0])), *served.all([submitted(name, one) for one in asked])]
    upstream = Upstream(folder / name, tiny.family, **tiny.loading)
    expected = [upstream.pictures(request) for request in asked]
    for job, pictures in zip(jobs, [expected[0], *expected], strict=True):
        assert len(job.result.images) == len(pictures)
        for image, picture in zip(job.result.images, pictures, strict=True):
            assert_equals(image.pil(), picture)
        # Heun's takes more than it was asked for.
        assert job.progress.step == job.progress.total >= job.request.num_inference_steps
    # Were prompts, guidance or seeds mixed up, the pictures would not be these.
    firsts = [pictures[0] for pictures in expected[:7]]
    assert min(np.abs(one - firsts[0]).max() for one in firsts[1:]) > 0.01


def flags(job: Job) -> tuple[bool, ...]:
    return tuple(job.result.nsfw_content_detected or ())


def test_a_safety_checker_blackens_what_it_objects_to_and_says_so(served: Serving, folder: Path) -> None:
    asked = [
        {
            "prompt": "a red circle" if seed % 2 else "a star",
            "width": 32,
            "height": 32,
            "num_inference_steps": 3,
            "guidance_scale": 2.0,
            "seed": seed,
            "num_images_per_prompt": 1 + seed % 2,
        }
        for seed in range(8)
    ]
    upstream = Upstream(folder / "checked", "stable-diffusion")
    answers = [upstream.call(request) for request in asked]
    checked = served.all([submitted("checked", request) for request in asked])
    unchecked = served.all([submitted("unchecked", request) for request in asked])
    for job, answer in zip(checked, answers, strict=True):
        assert flags(job) == tuple(answer.nsfw_content_detected)
    for job, free in zip(checked, unchecked, strict=True):
        assert free.result.nsfw_content_detected is None
        for is_flagged, image, other in zip(flags(job), job.result.images, free.result.images, strict=True):
            seen, made = np.asarray(image.pil()), np.asarray(other.pil())
            assert seen.max() == 0 if is_flagged else np.abs(seen.astype(int) - made).max() <= 1
            assert made.std() > 1
    assert {True, False} == {flag for job in checked for flag in flags(job)}


def test_a_distilled_model_makes_its_picture_in_one_step_without_guidance(
    served: Serving, folder: Path
) -> None:
    job = served.one("text-to-image", model="turbo", prompt="a red circle", seed=3)
    request = {
        "prompt": "a red circle",
        "seed": 3,
        "width": 32,
        "height": 32,
        "num_inference_steps": 1,
        "guidance_scale": 0.0,
    }
    assert_equals(
        job.result.images[0].pil(), Upstream(folder / "sd", "stable-diffusion").pictures(request)[0]
    )
    assert (job.request.num_inference_steps, job.request.guidance_scale) == (1, 0.0)


@pytest.mark.parametrize(
    ("model", "asked", "words"),
    [
        ("turbo", {"negative_prompt": "a star"}, "negative_prompt: turbo does not accept this parameter"),
        ("schnell", {"negative_prompt": "a star"}, "negative_prompt: schnell does not accept this parameter"),
        ("pixart", {"clip_skip": 1}, "clip_skip: pixart does not accept this parameter"),
        ("sana", {"width": 500}, "width: .*multiple"),
        ("schnell", {"scheduler": "DDIMScheduler"}, "scheduler: schnell does not offer"),
    ],
)
def test_what_a_model_can_not_do_is_refused_at_the_door(
    served: Serving, model: str, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        served.client.submit("text-to-image", model=model, prompt="a red circle", **asked)


def test_to_skip_more_layers_than_there_are_fails_with_their_number(served: Serving) -> None:
    sent = served.client.submit("text-to-image", model="sd", prompt="a star", clip_skip=2)
    job = served.client.wait(sent.id, timeout_s=60)
    assert job.error is not None
    assert (job.error.code, job.error.field) == ("invalid_request", "clip_skip")
    assert "the text encoder of this model has 2" in str(job.error)


def test_the_worker_names_the_model_and_its_files(served: Serving, folder: Path) -> None:
    index = json.loads((folder / "qwen" / "model_index.json").read_text())
    assert index["_class_name"] == "QwenImagePipeline"
    job = served.one("text-to-image", model="qwen", prompt="红色圆形", seed=1)
    assert job.result.provenance.model == "qwen"
    assert len(job.result.provenance.model_revision) == 64
