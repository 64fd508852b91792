"""Augmentation that makes drawn pictures similar to generated ones: blur, noise and changes of colour."""

import torch
from torch.nn import functional

_BINOMIAL = torch.tensor([1.0, 2.0, 1.0]) / 4.0


def degrade(pictures: torch.Tensor) -> torch.Tensor:
    """Blur each picture by a random amount and add random noise; `[n, 3, h, w]`, -1 to 1."""
    kernel = (_BINOMIAL[:, None] * _BINOMIAL[None, :]).expand(3, 1, 3, 3).to(pictures.device)
    blurred = functional.conv2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    random = torch.rand(4, len(pictures), 1, 1, 1, device=pictures.device)
    blur = random[0] * (random[1] < 0.5)
    noise = random[2] * (random[3] < 0.5) * 0.06
    mixed = pictures.lerp(blurred, blur)
    return (mixed + noise * torch.randn_like(pictures)).clamp(-1.0, 1.0)


def enlarge(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Resize pictures `[n, 3, h, w]` to `side`, like the preprocessing of the models."""
    return functional.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)


def desaturate(pictures: torch.Tensor) -> torch.Tensor:
    """Reduce the saturation of 60 % of the pictures by up to 80 %; `[n, 3, h, w]`.

    Some pairs of colour and shape never occur in training. A classifier of shapes could learn that they do
    not exist.
    """
    random = torch.rand(2, len(pictures), 1, 1, 1, device=pictures.device)
    share = 0.8 * random[0] * (random[1] < 0.6)
    return pictures.lerp(pictures.mean(1, keepdim=True).expand_as(pictures), share)
