"""Pictures that go by a ControlNet, through the queue: equal to diffusers, alone and eight at once."""

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
from brushwork_schemas.errors import InvalidRequest, UnknownModel
from PIL import Image

from tests.checkpoints.painters import Direct, picture
from tests.equality import assert_equals
from tests.serving import Serving

# Of diffusers against itself: its Flux ControlNet imports by an older way.
pytestmark = pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning")
CLASSES = {
    ("stable-diffusion", "text-to-image"): "StableDiffusionControlNetPipeline",
    ("stable-diffusion", "image-to-image"): "StableDiffusionControlNetImg2ImgPipeline",
    ("stable-diffusion", "inpainting"): "StableDiffusionControlNetInpaintPipeline",
    ("stable-diffusion-xl", "text-to-image"): "StableDiffusionXLControlNetPipeline",
    ("stable-diffusion-xl", "image-to-image"): "StableDiffusionXLControlNetImg2ImgPipeline",
    ("stable-diffusion-xl", "inpainting"): "StableDiffusionXLControlNetInpaintPipeline",
    ("stable-diffusion-3", "text-to-image"): "StableDiffusion3ControlNetPipeline",
    ("flux", "text-to-image"): "FluxControlNetPipeline",
    ("flux", "image-to-image"): "FluxControlNetImg2ImgPipeline",
    ("flux", "inpainting"): "FluxControlNetInpaintPipeline",
    ("qwen-image", "text-to-image"): "QwenImageControlNetPipeline",
}
EDGES = Image.linear_gradient("L").resize((32, 32)).convert("RGB")
CHANGES: list[dict[str, Any]] = [
    {},
    {"prompt": "a star"},
    {"control_image": picture(seed=7)},
    {"controlnet_conditioning_scale": 0.5},
    {"guidance_scale": 1.0},
    {"num_images_per_prompt": 2},
    {"controlnet": None, "control_image": None},
    {"num_inference_steps": 5},
]


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "painters"


def request(family: str, kind: str, index: int) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "model": family,
        "prompt": "a red circle",
        "seed": index,
        "controlnet": f"{family}-edges",
        "control_image": EDGES,
    }
    if kind != "text-to-image":
        asked["image"] = picture()
    if kind == "inpainting":
        asked["mask_image"] = Image.radial_gradient("L").resize((32, 32))
    return {**asked, **CHANGES[index]}


def direct(folder: Path, family: str, class_name: str) -> Direct:
    config = json.loads((folder / f"{family}-edges" / "config.json").read_text())
    controlnet = getattr(diffusers, config["_class_name"]).from_pretrained(folder / f"{family}-edges")
    return Direct(folder / family, class_name, controlnet=controlnet)


def own_arguments(family: str, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    """As the pipelines of diffusers call them."""
    is_older = family in ("stable-diffusion", "stable-diffusion-xl") and kind == "text-to-image"
    own = {
        "image" if is_older else "control_image": asked["control_image"],
        "controlnet_conditioning_scale": asked.get("controlnet_conditioning_scale", 1.0),
        "width": 32,
        "height": 32,
    }
    if kind != "text-to-image":
        own |= {"image": asked["image"], "strength": 0.75}
    if kind == "inpainting":
        own["mask_image"] = asked["mask_image"]
    return own


@pytest.mark.parametrize(("family", "kind"), CLASSES)
def test_equals_diffusers(served: Serving, folder: Path, family: str, kind: str) -> None:
    pipeline = direct(folder, family, CLASSES[family, kind])
    asked = [request(family, kind, index) for index in range(len(CHANGES))]
    jobs = [served.one(kind, **asked[0]), *served.all([{"kind": kind, **each} for each in asked])]
    alone_and_at_once = [(jobs[0], asked[0]), *zip(jobs[1:], asked, strict=True)]
    pictures = {artifact.sha256 for job in jobs for artifact in job.result.images}
    assert len(pictures) >= len(asked)
    for job, each in alone_and_at_once:
        if each["controlnet"] is None:
            continue
        upstream = pipeline.pictures(each, **own_arguments(family, kind, each))
        for made, floats in zip(job.result.images, upstream, strict=True):
            assert_equals(made.pil(), floats)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("stable-diffusion-3", "image-to-image"),
        ("stable-diffusion-3", "inpainting"),
        ("qwen-image", "image-to-image"),
        ("qwen-image", "inpainting"),
    ],
)
def test_what_diffusers_cannot_do_is_said(served: Serving, family: str, kind: str) -> None:
    sent = served.client.submit(kind, **request(family, kind, 0))
    job = served.client.wait(sent.id, timeout_s=60)
    assert job.error is not None
    assert (job.error.code, job.error.field) == ("invalid_request", "controlnet")
    assert f"no {kind} with a ControlNet" in str(job.error)


def test_a_controlnet_needs_its_picture_and_a_model_that_it_fits(served: Serving) -> None:
    asked = {"model": "flux", "prompt": "a star"}
    with pytest.raises(InvalidRequest, match="used together"):
        served.client.submit("text-to-image", **asked, controlnet="flux-edges")
    with pytest.raises(UnknownModel, match="Choose one of: flux-edges"):
        served.client.submit(
            "text-to-image", **asked, controlnet="stable-diffusion-edges", control_image=EDGES
        )
