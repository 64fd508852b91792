"""Makes drawn pictures look a little like generated ones: blurred, noisy, slightly off in colour."""

import torch
from torch.nn import functional

_BINOMIAL = torch.tensor([1.0, 2.0, 1.0]) / 4.0


def soften(pictures: torch.Tensor) -> torch.Tensor:
    """Blurs each picture by a random amount and adds random noise; `[n, 3, h, w]`, -1 to 1."""
    kernel = (_BINOMIAL[:, None] * _BINOMIAL[None, :]).expand(3, 1, 3, 3).to(pictures.device)
    blurred = functional.conv2d(functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    chance = torch.rand(4, len(pictures), 1, 1, 1, device=pictures.device)
    blur = chance[0] * (chance[1] < 0.5)
    noise = chance[2] * (chance[3] < 0.5) * 0.06
    mixed = pictures.lerp(blurred, blur)
    return (mixed + noise * torch.randn_like(pictures)).clamp(-1.0, 1.0)


def enlarge(pictures: torch.Tensor, side: int) -> torch.Tensor:
    """Resizes pictures `[n, 3, h, w]` to `side`, as the models' preprocessing does."""
    return functional.interpolate(pictures, (side, side), mode="bilinear", align_corners=False)


def fade(pictures: torch.Tensor) -> torch.Tensor:
    """Takes colour out of six pictures in ten, by up to four fifths; `[n, 3, h, w]`.

    Some pairs of colour and shape are never trained on; a model that must tell shapes alone would learn that
    they do not occur.
    """
    chance = torch.rand(2, len(pictures), 1, 1, 1, device=pictures.device)
    share = 0.8 * chance[0] * (chance[1] < 0.6)
    return pictures.lerp(pictures.mean(1, keepdim=True).expand_as(pictures), share)
