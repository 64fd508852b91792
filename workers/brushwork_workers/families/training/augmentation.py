"""Training pictures changed by chance, so that a network learns what matters."""

import math
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional

SHIFT = 0.1
TURN, SCALE, COLOUR = math.radians(15), 0.2, 0.3


def augmented(pixels: Tensor, how: Literal["none", "light", "strong"], chance: Generator) -> Tensor:
    """Pictures changed, each in its own way.

    Args:
        pixels: uint8 [n, 3, side, side].
        how: `light` shifts by up to a tenth and mirrors every other one; `strong` besides turns by up to 15
            degrees, scales by up to a fifth, and changes brightness and contrast by up to 30 %.
        chance: Draws.

    Returns:
        uint8 of the same shape.
    """
    if how == "none":
        return pixels
    is_strong = how == "strong"
    grid = functional.affine_grid(
        _placed(len(pixels), chance, is_strong=is_strong), list(pixels.shape), align_corners=False
    )
    moved = functional.grid_sample(pixels.float(), grid, padding_mode="reflection", align_corners=False)
    if is_strong:
        moved = _coloured(moved, chance)
    return moved.round().clamp(0, 255).to(torch.uint8)


def _uniform(number: int, reach: float, chance: Generator) -> Tensor:
    """[n], each from -reach to reach."""
    return (2 * torch.rand(number, generator=chance) - 1) * reach


def _placed(number: int, chance: Generator, *, is_strong: bool) -> Tensor:
    """Affine maps [n, 2, 3] from where a pixel is to whence it comes, both -1 to 1."""
    mirror = torch.where(torch.rand(number, generator=chance) < 0.5, -1.0, 1.0)
    # A tenth of the picture is a fifth of the range from -1 to 1.
    shift = torch.stack([_uniform(number, 2 * SHIFT, chance) for _ in range(2)], dim=1)
    turn = _uniform(number, TURN if is_strong else 0.0, chance)
    scale = 1 + _uniform(number, SCALE if is_strong else 0.0, chance)
    cosine, sine = scale * turn.cos(), scale * turn.sin()
    rows = [
        torch.stack([mirror * cosine, -sine, shift[:, 0]], dim=1),
        torch.stack([mirror * sine, cosine, shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _coloured(pixels: Tensor, chance: Generator) -> Tensor:
    brightness, contrast = (1 + _uniform(len(pixels), COLOUR, chance)[:, None, None, None] for _ in range(2))
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    return ((pixels - mean) * contrast + mean) * brightness
