"""What the denoisers of edits and videos are trained on: v at the timesteps of runs of few steps.

Most samples are of the noisiest timestep. There the prompt, or the picture that is edited, is the only
information. At the others, the noisy latents already show much of the answer.
"""

import torch

from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.training.device import device

_FEW_STEPS, _OFTEN = (999, 749, 499, 249), (0.70, 0.15, 0.10, 0.05)
_SHARE_OF_FEW = 0.9


def timesteps(size: int) -> torch.Tensor:
    """Draw timesteps `[size]`, 0 to 999: nine in ten from a run of four steps, the others of any run."""
    few = torch.tensor(_FEW_STEPS)[torch.multinomial(torch.tensor(_OFTEN), size, replacement=True)]
    return torch.where(torch.rand(size) < _SHARE_OF_FEW, few, torch.randint(1000, (size,)))


def add_noise(latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Add noise of a random timestep to each sample of `latents`, `[n, ...]`.

    Returns:
        The noisy latents, their timesteps `[n]`, and the velocities that a denoiser should predict.
    """
    alphas = build_scheduler().alphas_cumprod.to(device())
    steps = timesteps(len(latents)).to(device())
    shape = (-1,) + (1,) * (latents.dim() - 1)
    signal = alphas[steps].sqrt().reshape(shape)
    spread = (1 - alphas[steps]).sqrt().reshape(shape)
    noise = torch.randn_like(latents)
    return signal * latents + spread * noise, steps, signal * noise - spread * latents
