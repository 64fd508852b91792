"""The autoencoder: from pictures of 64x64 to latents of 8x8 with 8 channels, and back.

Noise on the latents in training makes the decoder robust against small errors of a denoiser, and separates
important attributes (shape, colour) in latent space. Latents are normalised by batch statistics, which are
folded into the last convolution of the encoder at the end, so that the shipped `scaling_factor` is 1.
"""

from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import nn
from torch.nn import functional

from recipes.pocket.scenes.prefetch import SampleSource
from recipes.pocket.scenes.samples import ATTRIBUTES, Sampler
from recipes.pocket.training import process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

LATENT_CHANNELS = 8
LATENT_SIDE = 8
_WIDTH = 48
_NUM_MEASURED = 2048
"""Pictures from which mean and deviation of the latents are measured."""
_MAX_NOISE = 0.3
_BATCH = {"cpu": 32, "cuda": 256}


def build() -> AutoencoderTiny:
    """Build an untrained autoencoder, with 8 pixels per side of a latent."""
    model: AutoencoderTiny = AutoencoderTiny(
        encoder_block_out_channels=(_WIDTH,) * 4,
        decoder_block_out_channels=(_WIDTH,) * 4,
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(4, 2, 1, 0),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=1.0,
    )
    return model


class Readout(nn.Module):
    """Predicts the attributes of a scene from its latents: an auxiliary task, discarded after training."""

    def __init__(self) -> None:
        super().__init__()
        inputs = LATENT_CHANNELS * LATENT_SIDE**2
        self.hidden = nn.Linear(inputs, 256)
        self.heads = nn.ModuleList(nn.Linear(256, n) for n in ATTRIBUTES.values())

    def loss(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy over the attributes."""
        hidden = functional.gelu(self.hidden(latents.flatten(1)))
        losses = [functional.cross_entropy(head(hidden), labels[:, i]) for i, head in enumerate(self.heads)]
        return torch.stack(losses).mean()


def edge_weights(pictures: torch.Tensor) -> torch.Tensor:
    """Return weights `[n, 1, h, w]`: 5 within two pixels of an edge, else 1. Outlines determine the shape."""
    down = (pictures[:, :, 1:] - pictures[:, :, :-1]).abs().amax(1, keepdim=True)
    across = (pictures[..., 1:] - pictures[..., :-1]).abs().amax(1, keepdim=True)
    edges = functional.pad(down, (0, 0, 0, 1)) + functional.pad(across, (0, 1))
    return 1.0 + 4.0 * (functional.max_pool2d(edges, 3, 1, 1) > 0.15).float()


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the autoencoder and save it to `out / "vae"`."""
    model, readout = on_device(build()), on_device(Readout())
    norm = on_device(nn.BatchNorm2d(LATENT_CHANNELS, affine=False))
    modules = {"vae": model, "readout": readout, "norm": norm}
    loop = Loop(modules, Plan(budget, 8e-4, hold=0.3), out / "autoencoder")
    size = _BATCH[device().type]
    batches = SampleSource(size, share_of_two=0.5, varied_share=0.05).batches(seed=11 + loop.step)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        batch = next(batches)
        pictures = batch.pictures.to(device(), memory_format=torch.channels_last)
        with bfloat16_autocast():
            raw = model.encoder(pictures)
        latents = norm(raw.float())
        strength = torch.rand(len(latents), 1, 1, 1, device=device()) * _MAX_NOISE
        noisy = latents + strength * torch.randn_like(latents)
        with bfloat16_autocast():
            drawn = model.decoder(noisy)
        error = drawn.float() - pictures
        weights = edge_weights(pictures)
        picture_loss = (weights * (error.abs() + 2.0 * error**2)).mean()
        read = readout.loss(noisy, batch.labels.to(device()))
        figures = {"mse": (error**2).mean().item(), "read": read.item()}
        return picture_loss + 0.02 * read, size, figures

    finished = loop.run(loss)
    if finished and process_group.rank() == 0:
        fold_norm(model, norm)
        model.save_pretrained(out / "vae")
    return finished


@torch.no_grad()
def fold_norm(model: AutoencoderTiny, norm: nn.BatchNorm2d) -> None:
    """Fold the normalisation into the encoder, so that its latents have mean 0 and standard deviation 1."""
    last = model.encoder.layers[-1]
    assert isinstance(last, nn.Conv2d)  # noqa: S101 - for the type checker
    assert last.bias is not None  # noqa: S101 - likewise
    model.encoder.eval()
    raws = []
    sampler = Sampler(seed=5)
    for _ in range(_NUM_MEASURED // 128):
        raws.append(model.encoder(sampler.batch(128).pictures.to(device())))
    raw = torch.cat(raws)
    mean, deviation = raw.mean((0, 2, 3)), raw.std((0, 2, 3))
    last.weight /= deviation[:, None, None, None]
    last.bias.copy_((last.bias - mean) / deviation)
