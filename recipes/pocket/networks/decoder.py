"""Further training of the decoder of the autoencoder. The latents and the denoiser do not change.

The decoder is trained on latents with the errors of a denoiser: half of a batch has white noise, and, once
there is a denoiser, the other half has its prediction from noisy latents. A deeper decoder is made from a
shallower one by adding blocks that start as identities.
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

from recipes.pocket.networks.autoencoder import edge_weights
from recipes.pocket.networks.judging import reconstruction_accuracy
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.networks.parts import Parts
from recipes.pocket.networks.pool import chunks
from recipes.pocket.scenes.samples import to_tensor
from recipes.pocket.texts.text_encoder import encode
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

BLOCKS = (8, 5, 2, 0)
"""Residual blocks of the decoder at 8, 16, 32 and 64 pixels. Low resolutions determine outlines."""

NUM_EVALUATED = 200

_MAX_NOISE = 0.3
_BATCH = {"cpu": 24, "cuda": 256}
_POOL = 24576
_SHARE_OF_TWO = 0.35
_SURE_STEP = 600
"""Up to this timestep, noisy latents still show attributes that a prompt may leave open (size, position)."""


def deepen(shallow: AutoencoderTiny, blocks: tuple[int, ...] = BLOCKS) -> AutoencoderTiny:
    """Return an autoencoder with more decoder blocks that gives the same pictures until it is trained."""
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
    """Drawn pictures, with the latents and a prompt of each.

    Args:
        pixels: The pictures, `[n, 3, 64, 64]`, 0 to 255.
        latents: Their latents, `[n, 8, 8, 8]`, half precision.
        ids: The token ids of their prompts, `[n, 20]`.
    """

    pixels: torch.Tensor
    latents: torch.Tensor
    ids: torch.Tensor

    @classmethod
    @torch.no_grad()
    def draw(cls, parts: Parts, count: int, seed: int) -> "Pictures":
        """Draw `count` new training scenes from the narrow ranges. It takes about a minute on two cores."""
        pixels, latents, ids = [], [], []
        for drawn, prompts in chunks(count, seed, _SHARE_OF_TWO, alone=process_group.world_size() == 1):
            pictures = to_tensor(drawn).to(device(), memory_format=torch.channels_last)
            with bfloat16_autocast():
                latents.append(parts.vae.encoder(pictures).half())
            pixels.append(torch.from_numpy(drawn).permute(0, 3, 1, 2).to(device()))
            prompt_per_picture = prompts[:: len(prompts) // len(drawn)]
            ids.append(encode(parts.tokenizer, prompt_per_picture).to(device()))
        return cls(torch.cat(pixels), torch.cat(latents), torch.cat(ids))


@dataclass
class OneStepDenoiser:
    """Predicts clean latents in one step of a trained denoiser, with its typical errors."""

    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel

    @classmethod
    def load(cls, out: Path, text_encoder: CLIPTextModel) -> "OneStepDenoiser | None":
        """Load the denoiser in `out`, or the initial one. Return None if there is none yet."""
        places = (out / "unet", out / "start/pocket-diffusion/unet")
        folders = [folder for folder in places if folder.exists()]
        if not folders:
            return None
        unet = UNet2DConditionModel.from_pretrained(folders[0])
        return cls(on_device(unet).eval(), text_encoder)

    @torch.no_grad()
    def denoise(self, latents: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Add noise to latents and return the prediction of the denoiser, `[n, 8, 8, 8]`."""
        alphas = build_scheduler().alphas_cumprod.to(latents.device)
        steps = torch.randint(20, _SURE_STEP, (len(latents),), device=latents.device)
        alpha = alphas[steps][:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        with bfloat16_autocast():
            text = self.text_encoder(input_ids=ids).last_hidden_state
            velocity = self.unet(noisy, steps, encoder_hidden_states=text).sample
        denoised: torch.Tensor = alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity.float()
        return denoised


def faint_weights(pictures: torch.Tensor) -> torch.Tensor:
    """Return weights `[n, 1, 1, 1]`, 0.4 to 8, that fall with the area and the contrast of the objects.

    A shape is judged by its overlap with the ideal outline. For a small blue star on gray, a few wrong pixels
    with a small error are already a large share.
    """
    strength = (pictures - pictures[..., :1, :1]).abs().amax(1, keepdim=True).mean((1, 2, 3), keepdim=True)
    weights: torch.Tensor = (0.08 / strength.clamp_min(1e-3)).clamp(0.4, 8.0)
    return weights


def make_loss(
    model: AutoencoderTiny, pictures: Pictures, one_step_denoiser: OneStepDenoiser | None
) -> Callable[[], tuple[torch.Tensor, int, dict[str, float]]]:
    """Return the loss function: absolute plus squared error, with five times the weight near outlines."""
    size = _BATCH[device().type]

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        indices = torch.randint(len(pictures.pixels), (size,), device=device())
        target = pictures.pixels[indices].float() / 127.5 - 1.0
        target = target.contiguous(memory_format=torch.channels_last)
        latents = pictures.latents[indices].float()
        strength = torch.rand(size, 1, 1, 1, device=device()) * _MAX_NOISE
        noisy = latents + strength * torch.randn_like(latents)
        if one_step_denoiser:
            half = size // 2
            noisy[:half] = one_step_denoiser.denoise(latents[:half], pictures.ids[indices[:half]])
        with bfloat16_autocast():
            drawn = model.decoder(noisy)
        error = drawn.float() - target
        weights = edge_weights(target) * faint_weights(target)
        weighted = (weights * (error.abs() + 2.0 * error**2)).mean()
        return weighted, size, {"loss": weighted.item(), "mse": (error**2).mean().item()}

    return loss


def train(out: Path, budget: TimeBudget, name: str = "decoder") -> bool:
    """Train the decoder of `out / "vae"` further, in place. A shallower decoder is deepened first."""
    parts = Parts.load(out)
    if tuple(parts.vae.config["num_decoder_blocks"]) != BLOCKS:
        parts.vae = on_device(deepen(parts.vae))
    plan = Plan(budget, 6e-4, average=0.999, hold=0.3)
    loop = Loop({"decoder": parts.vae.decoder}, plan, out / name)
    pictures = Pictures.draw(
        parts, _POOL // process_group.world_size(), seed=51 + 2 * loop.step + process_group.rank()
    )

    @torch.no_grad()
    def evaluate() -> None:
        average = deepcopy(parts.vae)
        average.decoder.load_state_dict(loop.averages["decoder"])
        one, two = (reconstruction_accuracy(average, count, NUM_EVALUATED, seed=3100) for count in (1, 2))
        samples = loop.step * _BATCH[device().type] * process_group.world_size()
        learning_curve.note(out, name, loop.spent_s / 60, samples, (one, two))
        average.save_pretrained(out / "vae")

    one_step_denoiser = OneStepDenoiser.load(out, parts.text_encoder)
    finished = loop.run(make_loss(parts.vae, pictures, one_step_denoiser), evaluate, evaluate_every_s=240.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
