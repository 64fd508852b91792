"""Tiny ControlNets for the tiny models, which have learnt to say something."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    ControlNetModel,
    FluxControlNetModel,
    QwenImageControlNetModel,
    SD3ControlNetModel,
)

from tests.checkpoints.painters import BUILDERS


def save(folder: Path, family: str) -> Path:
    """A ControlNet for the painter of that family."""
    torch.manual_seed(1)
    controlnet = _built(family, BUILDERS[family]())
    with torch.no_grad():
        for weight in controlnet.parameters():
            # As each begins, what it says is multiplied by nothing.
            if not weight.any():
                weight.normal_(std=0.3)
    controlnet.save_pretrained(folder)
    return folder


def _built(family: str, painter: Any) -> Any:
    if family == "stable-diffusion-3":
        return SD3ControlNetModel.from_transformer(
            painter.transformer, num_layers=1, num_extra_conditioning_channels=0
        )
    heads = {"num_attention_heads": 2, "attention_head_dim": 16}
    if family == "flux":
        return FluxControlNetModel.from_transformer(
            painter.transformer, num_layers=1, num_single_layers=1, **heads
        )
    if family == "qwen-image":
        return QwenImageControlNetModel.from_transformer(painter.transformer, num_layers=1, **heads)
    # The control picture's way to the latents' size: half of the side, as the tiny autoencoder makes it.
    return ControlNetModel.from_unet(painter.unet, conditioning_embedding_out_channels=(16, 32))
