"""The models that ship, through `brushwork up`: the pictures that diffusers makes, the same bytes again."""

import numpy as np
import pytest
import torch
from brushwork import Client
from brushwork_core.settings.settings import Settings
from brushwork_workers.pocket import WEIGHTS
from diffusers import StableDiffusionPipeline
from PIL import Image

from recipes.pocket.scenes.grammar import Description
from tests.pixel_judge import all_right, judge

ASKED = (
    ("pocket-diffusion", "a large red circle in the center on a white background"),
    ("pocket-diffusion", "黑色背景上右边的小青色环形"),
    ("pocket-turbo", "a blue square above a pink heart"),
)
WAIT_S = 120.0


@pytest.mark.parametrize(("model", "prompt"), ASKED)
def test_a_picture_equals_the_stock_pipelines_and_its_twin(stack: Settings, model: str, prompt: str) -> None:
    with Client(settings=stack) as client:
        jobs = [
            client.submit("text-to-image", model=model, prompt=prompt, seed=29, deterministic=True)
            for _ in range(2)
        ]
        done = [client.wait(job.id, timeout_s=WAIT_S).raise_for_state() for job in jobs]
    first, twin = (job.result.images[0] for job in done)
    # The bytes differ by the time of the signature.
    assert first.unsigned_sha256 == twin.unsigned_sha256
    assert first.pixels_sha256 == twin.pixels_sha256

    stock = StableDiffusionPipeline.from_pretrained(WEIGHTS / "pocket-diffusion")
    stock.set_progress_bar_config(disable=True)
    request = done[0].request
    steps = {"pocket-diffusion": 12, "pocket-turbo": 4}
    assert request.num_inference_steps == steps[model]
    expected = stock(
        prompt,
        width=request.width,
        height=request.height,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator().manual_seed(29),
    ).images[0]
    difference = np.abs(np.asarray(first.pil(), dtype=float) - np.asarray(expected, dtype=float)).max() / 255
    print(f"largest difference {difference:.1e} of the pixel range")
    assert difference <= 1e-3


def test_inpainting_and_upscaling_need_no_download(stack: Settings) -> None:
    beige = Image.new("RGB", (64, 64), (225, 205, 170))
    mask = Image.new("L", beige.size)
    mask.paste(255, (8, 8, 48, 48))
    with Client(settings=stack) as client:
        painted = client.submit("inpainting", prompt="a red square", image=beige, mask_image=mask, seed=3)
        done = client.wait(painted.id, timeout_s=WAIT_S).raise_for_state()
        assert done.request.model == "pocket-diffusion"
        after = np.asarray(done.result.images[0].pil())
        outside = np.asarray(mask) == 0
        assert np.array_equal(after[outside], np.asarray(beige)[outside])
        assert all_right(judge(after, Description((("red", "square"),))))

        upscaled = client.submit("image-upscaling", image=beige)
        done = client.wait(upscaled.id, timeout_s=WAIT_S).raise_for_state()
        assert done.request.model == "pocket-upscaler"
        assert done.result.image.pil().size == (128, 128)
