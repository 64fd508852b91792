"""Parts of pictures made anew through the queue: equal to diffusers, alone and eight at once.

By denoisers that know nothing of masks, and by one that was made for them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.checkpoints.painters import Direct, picture
from tests.equality import assert_equals
from tests.serving import Serving

KIND = "inpainting"
CLASSES = {
    "stable-diffusion": "StableDiffusionInpaintPipeline",
    "stable-diffusion-xl": "StableDiffusionXLInpaintPipeline",
    "stable-diffusion-3": "StableDiffusion3InpaintPipeline",
    "flux": "FluxInpaintPipeline",
    "qwen-image": "QwenImageInpaintPipeline",
    "inpainter": "StableDiffusionInpaintPipeline",
}


def mask(width: int = 32, height: int = 32, *, left: int = 8) -> Image.Image:
    """White where it is to be made anew: a box."""
    drawn = Image.new("L", (width, height))
    drawn.paste(255, (left, 8, width - 4, height - 4))
    return drawn


CHANGES: list[dict[str, Any]] = [
    {},
    {"prompt": "a star"},
    {"strength": 0.5},
    {"mask_image": mask(left=16)},
    {"num_images_per_prompt": 2},
    {"guidance_scale": 1.0},
    {"image": picture(48, 16, seed=1), "mask_image": mask(48, 16)},
    {"guidance_scale": 4.0, "num_inference_steps": 6},
]


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "painters"


def request(family: str, index: int) -> dict[str, Any]:
    given = {
        "model": family,
        "prompt": "a red circle",
        "image": picture(),
        "mask_image": mask(),
        "seed": index,
    }
    changes = dict(CHANGES[index])
    if family == "stable-diffusion" and not index:
        changes |= {"negative_prompt": "a circle", "scheduler": "EulerAncestralDiscreteScheduler"}
    return {**given, **changes}


@pytest.mark.parametrize("family", CLASSES)
def test_equals_diffusers(served: Serving, folder: Path, family: str) -> None:
    direct = Direct(folder / family, CLASSES[family])
    asked = [request(family, index) for index in range(len(CHANGES))]
    jobs = [served.one(KIND, **asked[0]), *served.all([{"kind": KIND, **each} for each in asked])]
    default = 1.0 if family == "inpainter" else 0.75
    for job, each in zip(jobs, [asked[0], *asked], strict=True):
        own = {name: each[name] for name in ("image", "mask_image")}
        width, height = each["image"].size
        upstream = direct.pictures(
            each, **own, width=width, height=height, strength=each.get("strength", default)
        )
        assert len(job.result.images) == len(upstream)
        for made, floats in zip(job.result.images, upstream, strict=True):
            assert_equals(made.pil(), floats)


def test_black_stays_and_white_is_made_anew(served: Serving) -> None:
    asked = {"model": "stable-diffusion", "image": picture(), "strength": 1.0, "seed": 3}
    black, white = Image.new("L", (32, 32)), Image.new("L", (32, 32), 255)
    stays, stays_too, anew = (
        np.asarray(served.one(KIND, **asked, **each).result.images[0].pil(), dtype=int)
        for each in (
            {"prompt": "a red circle", "mask_image": black},
            {"prompt": "a star", "mask_image": black},
            {"prompt": "a star", "mask_image": white},
        )
    )
    assert np.array_equal(stays, stays_too)
    assert np.abs(stays - anew).mean() > 10


def test_a_mask_of_another_size_is_laid_over_the_whole_picture(served: Serving) -> None:
    asked = {"model": "stable-diffusion", "prompt": "a star", "image": picture(), "seed": 3}
    small = Image.new("L", (2, 1))
    small.putpixel((1, 0), 255)
    half = Image.new("L", (32, 32))
    half.paste(255, (16, 0, 32, 32))
    pictures = [
        served.one(KIND, **asked, mask_image=drawn).result.images[0].sha256 for drawn in (small, half)
    ]
    assert pictures[0] == pictures[1]
