"""The autoencoder's decoder, trained on by itself: latents, and so the denoiser, stay as they are.

It learns from drawn pictures' latents with what a denoiser gets wrong about them: half of a batch with white
noise, half, once there is a denoiser, with the denoiser's own answer to the noised latents. A deeper decoder
grows out of a shallower one by blocks that start as identities.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel

from recipes.pocket import curve, gang
from recipes.pocket.autoencoder import edge_weights
from recipes.pocket.device import device, half_products, placed
from recipes.pocket.judging import reconstructed
from recipes.pocket.noise import build_scheduler
from recipes.pocket.parts import Parts
from recipes.pocket.pool import chunks
from recipes.pocket.samples import to_tensor
from recipes.pocket.text_encoder import encode
from recipes.pocket.training import Loop, Plan, TimeBudget

BLOCKS = (8, 5, 2, 0)
"""Residual blocks of the decoder at 8, 16, 32 and 64 pixels: outlines are decided where positions are few."""

_MAX_NOISE = 0.3
_BATCH = {"cpu": 24, "cuda": 256}
_POOL = 24576
_SHARE_OF_TWO = 0.35
_SURE_STEP = 600
"""Up to this timestep noised latents still show what a prompt may leave out (size, place)."""


def deepen(shallow: AutoencoderTiny, blocks: tuple[int, ...] = BLOCKS) -> AutoencoderTiny:
    """An autoencoder with more decoder blocks that gives the same pictures until it is trained."""
    config = dict(shallow.config) | {"num_decoder_blocks": blocks}
    deep: AutoencoderTiny = AutoencoderTiny.from_config(config)
    deep.encoder.load_state_dict(shallow.encoder.state_dict())
    old = iter(shallow.decoder.layers)
    source = next(old)
    for layer in deep.decoder.layers:
        if hasattr(layer, "conv") and not hasattr(source, "conv"):
            _make_identity(layer)
            continue
        layer.load_state_dict(source.state_dict())
        source = next(old, source)
    return deep


def _make_identity(block: nn.Module) -> None:
    convolutions = [layer for layer in block.modules() if isinstance(layer, nn.Conv2d)]
    for parameter in convolutions[-1].parameters():
        nn.init.zeros_(parameter)


@dataclass
class Pictures:
    """Drawn pictures, their latents and a prompt of each.

    Args:
        pixels: `[n, 3, 64, 64]`, 0 to 255.
        latents: `[n, 8, 8, 8]`, half precision.
        ids: `[n, 20]` token ids.
    """

    pixels: torch.Tensor
    latents: torch.Tensor
    ids: torch.Tensor

    @classmethod
    @torch.no_grad()
    def draw(cls, parts: Parts, count: int, seed: int) -> "Pictures":
        """`count` fresh training scenes from the narrow ranges, which takes about a minute on two cores."""
        pixels, latents, ids = [], [], []
        for drawn, prompts in chunks(count, seed, _SHARE_OF_TWO, alone=gang.size() == 1):
            pictures = to_tensor(drawn).to(device(), memory_format=torch.channels_last)
            with half_products():
                latents.append(parts.vae.encoder(pictures).half())
            pixels.append(torch.from_numpy(drawn).permute(0, 3, 1, 2).to(device()))
            told = prompts[:: len(prompts) // len(drawn)]
            ids.append(encode(parts.tokenizer, told).to(device()))
        return cls(torch.cat(pixels), torch.cat(latents), torch.cat(ids))


@dataclass
class Guesser:
    """What a trained denoiser makes of noised latents in one step: its errors are what a decoder meets."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel

    @classmethod
    def load(cls, out: Path, text_encoder: CLIPTextModel) -> "Guesser | None":
        """The denoiser trained into `out` or gone on from, if there is one yet."""
        places = (out / "unet", out / "start/pocket-diffusion/unet")
        folders = [folder for folder in places if folder.exists()]
        if not folders:
            return None
        unet = UNet2DConditionModel.from_pretrained(folders[0])
        return cls(placed(unet).eval(), text_encoder)

    @torch.no_grad()
    def guess(self, latents: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The latents as the denoiser sees them through noise."""
        alphas = build_scheduler().alphas_cumprod.to(latents.device)
        steps = torch.randint(20, _SURE_STEP, (len(latents),), device=latents.device)
        alpha = alphas[steps][:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with half_products():
            text = self.text_encoder(input_ids=ids).last_hidden_state
            velocity = self.unet(noisy, steps, encoder_hidden_states=text).sample
        guessed: torch.Tensor = alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity.float()
        return guessed


def faint_weights(pictures: torch.Tensor) -> torch.Tensor:
    """Weights `[n, 1, 1, 1]` that fall with the area and the contrast of what is shown, 0.4 to 8.

    A shape is judged by its overlap with the ideal outline: of a small star in blue on gray, few pixels and
    little error are a large share.
    """
    strength = (pictures - pictures[..., :1, :1]).abs().amax(1, keepdim=True).mean((1, 2, 3), keepdim=True)
    weights: torch.Tensor = (0.08 / strength.clamp_min(1e-3)).clamp(0.4, 8.0)
    return weights


def make_loss(
    model: AutoencoderTiny, pictures: Pictures, guesser: Guesser | None
) -> Callable[[], tuple[torch.Tensor, int, dict[str, float]]]:
    """The loss of one batch: absolute and squared error, pixels near an outline weighted five times."""
    size = _BATCH[device().type]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        which = torch.randint(len(pictures.pixels), (size,), device=device())
        wanted = pictures.pixels[which].float() / 127.5 - 1.0
        wanted = wanted.contiguous(memory_format=torch.channels_last)
        latents = pictures.latents[which].float()
        strength = torch.rand(size, 1, 1, 1, device=device()) * _MAX_NOISE
        noisy = latents + strength * torch.randn_like(latents)
        if guesser:
            half = size // 2
            noisy[:half] = guesser.guess(latents[:half], pictures.ids[which[:half]])
        with half_products():
            drawn = model.decoder(noisy)
        error = drawn.float() - wanted
        weights = edge_weights(wanted) * faint_weights(wanted)
        weighted = (weights * (error.abs() + 2.0 * error**2)).mean()
        return weighted, size, {"loss": weighted.item(), "mse": (error**2).mean().item()}

    return loss


def train(out: Path, budget: TimeBudget, name: str = "decoder") -> bool:
    """Trains the decoder of `out / "vae"` on, in place; a shallower one is deepened first."""
    parts = Parts.load(out)
    if tuple(parts.vae.config["num_decoder_blocks"]) != BLOCKS:
        parts.vae = placed(deepen(parts.vae))
    plan = Plan(budget, 6e-4, average=0.999, hold=0.3)
    loop = Loop({"decoder": parts.vae.decoder}, plan, out / name)
    pictures = Pictures.draw(parts, _POOL // gang.size(), seed=51 + 2 * loop.step + gang.place())

    @torch.no_grad()
    def watch() -> None:
        average = deepcopy(parts.vae)
        average.decoder.load_state_dict(loop.averages["decoder"])
        one, two = (reconstructed(average, count, 200, seed=3100) for count in (1, 2))
        samples = loop.step * _BATCH[device().type] * gang.size()
        curve.note(out, name, loop.spent_s / 60, samples, (one, two))
        average.save_pretrained(out / "vae")

    guesser = Guesser.load(out, parts.text_encoder)
    finished = loop.run(make_loss(parts.vae, pictures, guesser), watch, watch_every_s=240.0)
    if finished and gang.place() == 0:
        watch()
    return finished
