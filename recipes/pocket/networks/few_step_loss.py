"""What the denoisers of edits and videos are trained on: v at the timesteps of runs of few steps."""

import torch

from recipes.pocket.networks.denoiser import few_timesteps
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.training.device import device


def timesteps(size: int) -> torch.Tensor:
    """Draw timesteps `[size]`, 0 to 999: three in four from a run of four steps, the others of any run."""
    steps = (1000 * (1 - torch.rand(size) ** 1.5)).long().clamp(0, 999)
    return torch.where(torch.rand(size) < 0.75, few_timesteps(size), steps)


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
