"""Evaluation of drawn and generated pictures during training, with the pixel judge of the tests.

The judge is not part of the package, so such trainings must run from a checkout of the repository.
"""

from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, chinese, english, sample_test
from recipes.pocket.scenes.samples import to_pixels, to_tensor
from recipes.pocket.scenes.staging import NARROW, stage
from recipes.pocket.training.device import bfloat16_autocast, device

_BATCH = 100


def from_checkout(name: str) -> ModuleType:
    """Import a module of the repository that is not in the package.

    Raises:
        RuntimeError: The working directory is not the root of a checkout.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"{name} is not part of the package. Run the training from the root of a checkout."
        ) from error


def share_right(pixels: np.ndarray, described: list[Description]) -> float:
    """Return the share of pictures `[n, h, w, 3]` that show everything in their descriptions."""
    judge = from_checkout("tests.pixel_judge")
    accuracy = [judge.all_right(judge.judge(p, d)) for p, d in zip(pixels, described, strict=True)]
    return float(np.mean(accuracy))


def held_out_scenes(num_objects: int, count: int, seed: int) -> tuple[np.ndarray, list[Description]]:
    """Draw pictures of held-out full descriptions, from the narrow ranges."""
    rng = np.random.default_rng(seed)
    described = [sample_test(num_objects, rng, keep=1.0) for _ in range(count)]
    drawn = [world.draw(stage(d, NARROW, rng), 64, world.EXACT, rng) for d in described]
    return np.stack(drawn), described


@torch.no_grad()
def reconstruction_accuracy(vae: AutoencoderTiny, num_objects: int, count: int, seed: int) -> float:
    """Return the share of held-out pictures that an autoencoder reconstructs correctly."""
    pixels, described = held_out_scenes(num_objects, count, seed)
    parts = []
    for start in range(0, count, _BATCH):
        pictures = to_tensor(pixels[start : start + _BATCH]).to(device())
        with bfloat16_autocast():
            parts.append(to_pixels(vae.decoder(vae.encoder(pictures).float())))
    return share_right(np.concatenate(parts), described)


def generation_accuracy(
    pipeline: StableDiffusionPipeline, num_objects: int, count: int, seed: int, steps: int, guidance: float
) -> float:
    """Return the share of held-out prompts, alternating between both languages, with a correct picture."""
    rng = np.random.default_rng(seed)
    described = [sample_test(num_objects, rng) for _ in range(count)]
    prompts = [(english, chinese)[i % 2](d) for i, d in enumerate(described)]
    parts = []
    for start in range(0, count, _BATCH):
        some = prompts[start : start + _BATCH]
        generators = [torch.Generator().manual_seed(seed * 100_000 + start + i) for i in range(len(some))]
        images = pipeline(
            some,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=generators,
            output_type="np",
        ).images
        parts.append((images * 255).round().astype(np.uint8))
    return share_right(np.concatenate(parts), described)
