"""Pictures from pictures, through the queue: equal to diffusers called directly, alone and eight at once."""

from pathlib import Path
from typing import Any

import pytest
from brushwork_schemas.errors import InvalidRequest

from tests.checkpoints.painters import BUILDERS, Direct, picture
from tests.equality import assert_equals
from tests.serving import Serving

KIND = "image-to-image"
CLASSES = {
    "stable-diffusion": "StableDiffusionImg2ImgPipeline",
    "stable-diffusion-xl": "StableDiffusionXLImg2ImgPipeline",
    "stable-diffusion-3": "StableDiffusion3Img2ImgPipeline",
    "flux": "FluxImg2ImgPipeline",
    "qwen-image": "QwenImageImg2ImgPipeline",
}
CHANGES: list[dict[str, Any]] = [
    {},
    {"prompt": "a star"},
    {"strength": 0.5},
    {"strength": 1.0, "num_inference_steps": 3},
    {"num_images_per_prompt": 2},
    {"guidance_scale": 1.0},
    {"image": picture(48, 16, seed=1)},
    {"guidance_scale": 4.0, "num_inference_steps": 6},
]


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "painters"


def request(family: str, index: int) -> dict[str, Any]:
    changes = dict(CHANGES[index])
    if family == "stable-diffusion" and not index:
        changes |= {"negative_prompt": "a circle", "scheduler": "EulerAncestralDiscreteScheduler"}
    return {"model": family, "prompt": "a red circle", "image": picture(), "seed": index, **changes}


@pytest.mark.parametrize("family", BUILDERS)
def test_equals_diffusers(served: Serving, folder: Path, family: str) -> None:
    direct = Direct(folder / family, CLASSES[family])
    asked = [request(family, index) for index in range(len(CHANGES))]
    jobs = [served.one(KIND, **asked[0]), *served.all([{"kind": KIND, **each} for each in asked])]
    for job, each in zip(jobs, [asked[0], *asked], strict=True):
        own: dict[str, Any] = {"image": each["image"], "strength": each.get("strength", 0.75)}
        if family not in ("stable-diffusion", "stable-diffusion-xl"):
            own |= {"width": each["image"].width, "height": each["image"].height}
        upstream = direct.pictures(each, **own)
        assert len(job.result.images) == len(upstream)
        for made, floats in zip(job.result.images, upstream, strict=True):
            assert_equals(made.pil(), floats)


def test_a_size_that_is_asked_for_is_what_it_becomes(served: Serving) -> None:
    asked = {"model": "stable-diffusion", "prompt": "a star", "image": picture(40, 20)}
    made = served.one(KIND, **asked, width=48, height=40).result.images[0]
    assert (made.width, made.height) == (48, 40)


def test_a_large_picture_becomes_as_large_as_the_model_makes_them(served: Serving) -> None:
    asked = {"model": "stable-diffusion", "prompt": "a star", "image": picture(128, 32)}
    made = served.one(KIND, **asked).result.images[0]
    assert (made.width, made.height) == (64, 16)


def test_a_strength_that_changes_nothing_is_refused_at_the_door(served: Serving) -> None:
    with pytest.raises(InvalidRequest, match="of 4 steps rounds to 0"):
        served.client.submit(KIND, model="flux", prompt="a star", image=picture(), strength=0.2)
