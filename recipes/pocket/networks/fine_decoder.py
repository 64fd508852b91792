"""Further training of the decoder of the fine autoencoder. The latents do not change."""

import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

from recipes.pocket.networks.autoencoder import edge_weights
from recipes.pocket.networks.decoder import faint_weights
from recipes.pocket.networks.fine_autoencoder import NAME, draw, reconstruction_accuracy
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

_BATCH = {"cpu": 32, "cuda": 256}
_MAX_NOISE = 0.25
NUM_EVALUATED = 150


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the decoder of `out / NAME` further, in place."""
    vae = on_device(AutoencoderTiny.from_pretrained(out / NAME)).eval()
    loop = Loop(
        {"decoder": vae.decoder}, Plan(budget, 1e-3, average=0.995, hold=0.5), out / f"{NAME}_decoder"
    )
    size = _BATCH[device().type]
    rng = np.random.default_rng((85 + loop.step, process_group.rank()))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        pictures = draw(size // 2, rng).to(device(), memory_format=torch.channels_last)
        with torch.no_grad(), bfloat16_autocast():
            latents = vae.encoder(pictures).float()
        # Half of the latents are clean: a few steps of a denoiser leave little noise.
        strength = torch.rand(size, 1, 1, 1, device=device()).sub(0.5).clamp_min(0.0) * 2 * _MAX_NOISE
        with bfloat16_autocast():
            drawn = vae.decoder(latents + strength * torch.randn_like(latents))
        error = drawn.float() - pictures
        weights = edge_weights(pictures) * faint_weights(pictures).clamp(0.5, 6.0)
        value = (weights * (error.abs() + 2.0 * error**2)).mean()
        return value, size, {"loss": value.item(), "mse": (error**2).mean().item()}

    def evaluate() -> None:
        average = deepcopy(vae)
        average.decoder.load_state_dict(loop.averages["decoder"])
        share = reconstruction_accuracy(average, NUM_EVALUATED, seed=3500)
        samples = loop.step * size * process_group.world_size()
        learning_curve.note(out, "fine_decoder", loop.spent_s / 60, samples, (share, 0.0))
        part = out / f"{NAME}.part"
        average.save_pretrained(part)
        shutil.copytree(part, out / NAME, dirs_exist_ok=True)
        shutil.rmtree(part)

    finished = loop.run(loss, evaluate, evaluate_every_s=480.0)
    if process_group.rank() == 0:
        evaluate()
    return finished
