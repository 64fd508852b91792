"""A tiny model of each family that begins with pictures, and the same called by diffusers directly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from tests.checkpoints.qwen_image import qwen_image
from tests.tiny_models import stable_diffusion
from tests.tiny_pipelines import flux, stable_diffusion_3, stable_diffusion_xl

BUILDERS: dict[str, Callable[[], Any]] = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
    "stable-diffusion-3": stable_diffusion_3,
    "flux": flux,
    "qwen-image": qwen_image,
}
SIDE = 32
DEFAULTS: dict[str, Any] = {
    "width": SIDE,
    "height": SIDE,
    "num_inference_steps": 4,
    "guidance_scale": 2.0,
    "strength": 0.75,
    "seed": 0,
    "num_images_per_prompt": 1,
    "prompt": "a red circle",
}
_ENTRY = """
[models.{family}]
family = "{family}"
source = {{ folder = "{folder}/{family}" }}
kinds = {kinds}
schedulers = ["EulerAncestralDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"]
[models.{family}.defaults]
width = 32
height = 32
num_inference_steps = 4
guidance_scale = 2.0
{strengths}
"""


def save_all(folder: Path, *kinds: str) -> Path:
    """A folder for each family, and the catalogue that names them."""
    entries = []
    strengths = "\n".join(f"{kind} = {{ strength = 0.75 }}" for kind in kinds if kind != "text-to-image")
    for family, build in BUILDERS.items():
        build().save_pretrained(folder / family)
        said = {"family": family, "folder": folder, "kinds": json.dumps(kinds), "strengths": strengths}
        entries.append(_ENTRY.format(**said))
    file = folder / "catalogue.toml"
    file.write_text("\n".join(entries))
    return file


class Direct:
    """A pipeline of diffusers, called as its documentation says.

    Args:
        folder: Of the model.
        class_name: Of the pipeline.
        **components: That are not in the folder.
    """

    def __init__(self, folder: Path, class_name: str, **components: Any) -> None:
        if class_name.startswith("StableDiffusion3"):
            # Of its three text encoders the tiny one has two, as many do.
            components |= {"text_encoder_3": None, "tokenizer_3": None}
        self.pipeline: Any = getattr(diffusers, class_name).from_pretrained(folder, **components)
        self.pipeline.set_progress_bar_config(disable=True)
        self._scheduler = self.pipeline.scheduler

    def pictures(self, asked: dict[str, Any], **own: Any) -> list[Any]:
        """What is asked for: floats of 0 to 1, (height, width, 3) each.

        Args:
            asked: The request's fields, of which some may be left to `DEFAULTS`.
            **own: Arguments of this pipeline.
        """
        said = {**DEFAULTS, **asked}
        scheduler = getattr(diffusers, said.get("scheduler") or type(self._scheduler).__name__)
        # One by one, as each picture of a job can be made again by its own seed.
        return [self._picture(said, scheduler, index, own) for index in range(said["num_images_per_prompt"])]

    def _picture(self, said: dict[str, Any], scheduler: Any, index: int, own: dict[str, Any]) -> Any:
        self.pipeline.scheduler = scheduler.from_config(self._scheduler.config)
        # From which Stable Diffusion 3 draws the latents of a control picture.
        torch.manual_seed(said["seed"] + index)
        return self.pipeline(
            prompt=said["prompt"],
            num_inference_steps=said["num_inference_steps"],
            generator=torch.Generator().manual_seed(said["seed"] + index),
            output_type="np",
            **self._guidance(said),
            **own,
        ).images[0]

    def _guidance(self, said: dict[str, Any]) -> dict[str, Any]:
        scale, negative = said["guidance_scale"], said.get("negative_prompt")
        name = type(self.pipeline).__name__
        if name.startswith("QwenImage"):
            return {"true_cfg_scale": scale, "negative_prompt": negative or " " if scale > 1 else None}
        if name.startswith("Flux"):
            # The tiny one is distilled, as FLUX.1-schnell is, which takes no longer prompt.
            return {"guidance_scale": scale, "max_sequence_length": 256}
        return {"guidance_scale": scale, "negative_prompt": negative}


def picture(width: int = SIDE, height: int = SIDE, seed: int = 0) -> Image.Image:
    """Soft patches of colour."""
    noise = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
