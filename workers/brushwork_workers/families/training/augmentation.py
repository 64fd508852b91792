"""Random augmentation of training pictures."""

import math
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional

MAX_SHIFT = 0.1
MAX_ANGLE, MAX_SCALE, MAX_COLOUR = math.radians(15), 0.2, 0.3


def augment(pixels: Tensor, strength: Literal["none", "light", "strong"], rng: Generator) -> Tensor:
    """Augment pictures, each with its own random parameters.

    Args:
        pixels: The pictures, uint8 [n, 3, side, side].
        strength: `none` changes nothing. `light` shifts by up to a tenth of the side, and mirrors with
            probability 0.5. `strong` also rotates by up to 15 degrees, scales by up to a fifth, and changes
            brightness and contrast by up to 30 %.
        rng: The random number generator, on the CPU.

    Returns:
        The augmented pictures, uint8 of the same shape.
    """
    if strength == "none":
        return pixels
    is_strong = strength == "strong"
    grid = functional.affine_grid(
        _affine_maps(len(pixels), rng, is_strong=is_strong), list(pixels.shape), align_corners=False
    )
    warped = functional.grid_sample(pixels.float(), grid, padding_mode="reflection", align_corners=False)
    if is_strong:
        warped = _jitter_colours(warped, rng)
    return warped.round().clamp(0, 255).to(torch.uint8)


def _uniform(number: int, limit: float, rng: Generator) -> Tensor:
    """Return `number` uniform random values from -limit to limit: [number]."""
    return (2 * torch.rand(number, generator=rng) - 1) * limit


def _affine_maps(number: int, rng: Generator, *, is_strong: bool) -> Tensor:
    """Return affine maps from output to input coordinates, both from -1 to 1: [number, 2, 3]."""
    mirror = torch.where(torch.rand(number, generator=rng) < 0.5, -1.0, 1.0)
    # A tenth of the side is a fifth of the coordinate range, which is 2 wide.
    shift = torch.stack([_uniform(number, 2 * MAX_SHIFT, rng) for _ in range(2)], dim=1)
    angle = _uniform(number, MAX_ANGLE if is_strong else 0.0, rng)
    scale = 1 + _uniform(number, MAX_SCALE if is_strong else 0.0, rng)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [
        torch.stack([mirror * cosine, -sine, shift[:, 0]], dim=1),
        torch.stack([mirror * sine, cosine, shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _jitter_colours(pixels: Tensor, rng: Generator) -> Tensor:
    brightness, contrast = (1 + _uniform(len(pixels), MAX_COLOUR, rng)[:, None, None, None] for _ in range(2))
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return ((pixels - mean) * contrast + mean) * brightness
