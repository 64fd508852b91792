"""Swin2SR, tiny."""

from pathlib import Path

import torch
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution, Swin2SRImageProcessor


def save(folder: Path, upscale: int = 2, upsampler: str = "pixelshuffle") -> Path:
    """Model and processor, as `caidas/swin2SR-classical-sr-x2-64` has them."""
    torch.manual_seed(0)
    config = Swin2SRConfig(
        embed_dim=16, depths=[1, 1], num_heads=[2, 2], image_size=64, upscale=upscale, upsampler=upsampler
    )
    model = Swin2SRForImageSuperResolution(config)
    for weight in model.parameters():
        # As it begins to be trained it gives nearly black pictures, which would be equal whatever went wrong.
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=weight[0].numel() ** -0.5)
    model.save_pretrained(folder)
    Swin2SRImageProcessor().save_pretrained(folder)
    return folder
