"""A Stable Diffusion that was made for inpainting."""

from typing import Any

import torch
from diffusers import StableDiffusionInpaintPipeline, UNet2DConditionModel

from tests.tiny_models import stable_diffusion


def inpainter() -> Any:
    """A Stable Diffusion whose denoiser is given the mask and what stays: nine channels."""
    pipeline: Any = stable_diffusion()
    known = dict(pipeline.components)
    torch.manual_seed(0)
    config = {name: value for name, value in known["unet"].config.items() if not name.startswith("_")}
    known["unet"] = UNet2DConditionModel(**{**config, "in_channels": 9})
    return StableDiffusionInpaintPipeline(**known, requires_safety_checker=False)
