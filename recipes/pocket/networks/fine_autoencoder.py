"""The autoencoder of edits and videos: from pictures of 64x64 to latents of 16x16 with 8 channels, and back.

A latent covers 4x4 pixels, half as many per side as in the other autoencoder. So this one is small (0.17
million weights), and objects at any place and of any size come out right: the other one knows only the places
and sizes that words stand for. As there, latents get noise in training, and their normalisation is folded
into the encoder.
"""

from pathlib import Path

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import nn

from recipes.pocket.networks.autoencoder import edge_weights
from recipes.pocket.networks.decoder import faint_weights
from recipes.pocket.networks.judging import share_right
from recipes.pocket.scenes import edits
from recipes.pocket.scenes.grammar import Description
from recipes.pocket.scenes.samples import to_pixels, to_tensor
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

LATENT_CHANNELS = 8
LATENT_SIDE = 16
NAME = "fine_vae"
_WIDTH = 32
_MAX_NOISE = 0.25
_BATCH = {"cpu": 32, "cuda": 256}


def build() -> AutoencoderTiny:
    """Build an untrained autoencoder, with 4 pixels per side of a latent."""
    model: AutoencoderTiny = AutoencoderTiny(
        encoder_block_out_channels=(_WIDTH,) * 3,
        decoder_block_out_channels=(_WIDTH,) * 3,
        num_encoder_blocks=(0, 1, 1),
        num_decoder_blocks=(2, 1, 0),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=1.0,
    )
    return model


def draw(count: int, rng: np.random.Generator) -> torch.Tensor:
    """Draw the pictures before and after `count` training edits, `[2 count, 3, 64, 64]`, -1 to 1."""
    pairs = [edits.draw_edit(edits.sample_edit(rng), rng) for _ in range(count)]
    return to_tensor(np.stack([picture for pair in pairs for picture in pair]))


def reconstruction_accuracy(vae: AutoencoderTiny, count: int, seed: int) -> float:
    """Return the share of drawn objects, anywhere and of any size, that are reconstructed correctly."""
    rng = np.random.default_rng(seed)
    samples = [edits.sample_edit(rng, never_trained=bool(i % 4 == 0)) for i in range(count)]
    drawn = np.stack([edits.draw_edit(edit, rng)[1] for edit in samples])
    items = [(edit.after.background, edit.after.objects[0]) for edit in samples]
    described = [Description(((item.colour, item.shape),), ground) for ground, item in items]
    with torch.no_grad(), bfloat16_autocast():
        pictures = vae.decoder(vae.encoder(to_tensor(drawn).to(device())).float())
    return share_right(to_pixels(pictures), described)


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the autoencoder and save it to `out / NAME`."""
    model = on_device(build())
    norm = on_device(nn.BatchNorm2d(LATENT_CHANNELS, affine=False))
    loop = Loop(
        {"vae": model, "norm": norm}, Plan(budget, 1e-3, average=0.99, hold=0.5), out / f"{NAME}_state"
    )
    size = _BATCH[device().type]
    rng = np.random.default_rng((81 + loop.step, process_group.rank()))

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        pictures = draw(size // 2, rng).to(device(), memory_format=torch.channels_last)
        with bfloat16_autocast():
            raw = model.encoder(pictures)
        latents = norm(raw.float())
        strength = torch.rand(len(latents), 1, 1, 1, device=device()) * _MAX_NOISE
        noisy = latents + strength * torch.randn_like(latents)
        with bfloat16_autocast():
            drawn = model.decoder(noisy)
        error = drawn.float() - pictures
        weights = edge_weights(pictures) * faint_weights(pictures).clamp(0.5, 3.0)
        value = (weights * (error.abs() + 2.0 * error**2)).mean()
        return value, size, {"loss": value.item(), "mse": (error**2).mean().item()}

    def average() -> AutoencoderTiny:
        mean = on_device(build())
        mean.load_state_dict(loop.averages["vae"])
        fold_norm(mean, norm)
        return mean.eval()

    def evaluate() -> None:
        share = reconstruction_accuracy(average(), 150, seed=3500)
        samples = loop.step * size * process_group.world_size()
        learning_curve.note(out, NAME, loop.spent_s / 60, samples, (share, 0.0))

    finished = loop.run(loss, evaluate, evaluate_every_s=90.0)
    if process_group.rank() == 0:
        evaluate()
        average().save_pretrained(out / NAME)
    return finished


@torch.no_grad()
def fold_norm(model: AutoencoderTiny, norm: nn.BatchNorm2d) -> None:
    """Fold the running normalisation into the encoder, so that its latents have mean 0 and deviation 1."""
    last = model.encoder.layers[-1]
    assert isinstance(last, nn.Conv2d)  # noqa: S101 - for the type checker
    assert last.bias is not None  # noqa: S101 - likewise
    assert norm.running_mean is not None  # noqa: S101 - likewise
    assert norm.running_var is not None  # noqa: S101 - likewise
    deviation = (norm.running_var + norm.eps).sqrt()
    last.weight /= deviation[:, None, None, None]
    last.bias.copy_((last.bias - norm.running_mean) / deviation)
