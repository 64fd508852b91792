"""Pictures enlarged through the queue equal those of the library called directly, alone and eight at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.errors import InvalidRequest
from diffusers import StableDiffusionUpscalePipeline
from PIL import Image
from transformers import Swin2SRForImageSuperResolution, Swin2SRImageProcessor

from tests.equality import assert_equals
from tests.serving import Serving


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "upscalers"


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@torch.no_grad()
def by_transformers(folder: Path, source: Image.Image) -> Any:
    model = Swin2SRForImageSuperResolution.from_pretrained(folder).eval()
    inputs = Swin2SRImageProcessor.from_pretrained(folder)(source, return_tensors="pt")
    made = model(**inputs).reconstruction[0].clamp(0, 1).permute(1, 2, 0)
    scale = model.config.upscale
    return made[: source.height * scale, : source.width * scale].numpy()


def by_diffusers(pipeline: Any, request: dict[str, Any]) -> Any:
    asked = {name: value for name, value in request.items() if name not in ("kind", "model", "seed")}
    defaults = {"prompt": "", "num_inference_steps": 3, "guidance_scale": 2.0, "noise_level": 20}
    generator = torch.Generator().manual_seed(request["seed"])
    return pipeline(**{**defaults, **asked}, generator=generator, output_type="np").images[0]


@pytest.mark.parametrize("model", ["twice", "four-times"])
def test_swin2sr_gives_what_transformers_gives(served: Serving, folder: Path, model: str) -> None:
    sources = [picture(20 + 12 * (seed % 2), 24, seed) for seed in range(8)]
    requests: list[dict[str, Any]] = [
        {"kind": "image-upscaling", "model": model, "image": source} for source in sources
    ]
    jobs = [served.one(**requests[0]), *served.all(requests)]
    for job, source in zip(jobs, [sources[0], *sources], strict=True):
        assert_equals(job.result.image.pil(), by_transformers(folder / model, source))
        assert job.result.image.width == job.result.scale * source.width
        assert job.result.seed is None


def test_the_diffusion_upscaler_gives_what_diffusers_gives(served: Serving, folder: Path) -> None:
    pipeline = StableDiffusionUpscalePipeline.from_pretrained(folder / "denoised")
    pipeline.set_progress_bar_config(disable=True)
    changes: list[dict[str, Any]] = [
        {},
        {"prompt": "red star"},
        {"num_inference_steps": 5},
        {"guidance_scale": 1.0},
        {"noise_level": 100},
        {"negative_prompt": "circle", "prompt": "star"},
        {"image": picture(24, 16)},
        {"guidance_scale": 6.0, "num_inference_steps": 2},
    ]
    requests = [
        {"kind": "image-upscaling", "model": "denoised", "image": picture(16, 16), "seed": seed, **change}
        for seed, change in enumerate(changes)
    ]
    jobs = [served.one(**requests[0]), *served.all(requests)]
    for job, request in zip(jobs, [requests[0], *requests], strict=True):
        assert_equals(job.result.image.pil(), by_diffusers(pipeline, request))
        assert (job.result.scale, job.result.seed) == (4.0, request["seed"])
        assert job.progress.step == job.request.num_inference_steps


def test_a_picture_of_odd_sides_becomes_exactly_four_times_as_large(served: Serving) -> None:
    job = served.one("image-upscaling", model="denoised", image=picture(17, 22))
    assert (job.result.image.width, job.result.image.height) == (68, 88)


def test_a_picture_that_would_grow_too_large_fails_with_the_side_that_would_not(served: Serving) -> None:
    sent = served.client.submit("image-upscaling", model="denoised", image=picture(33, 16))
    job = served.client.wait(sent.id, timeout_s=60)
    assert job.state == "failed"
    assert job.error is not None
    assert (job.error.code, job.error.field) == ("invalid_image", "image")
    assert "at most 32 pixels per side" in str(job.error)


def test_swin2sr_takes_no_prompt(served: Serving) -> None:
    with pytest.raises(InvalidRequest, match="prompt: twice does not accept this parameter"):
        served.client.submit("image-upscaling", model="twice", image=picture(8, 8), prompt="a star")
