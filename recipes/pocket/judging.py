"""Judges drawn and generated pictures while training, by the test code's own pixel judge.

The judge is no part of the package, and so trainings that judge run from a checkout of the repository.
"""

from importlib import import_module
from types import ModuleType

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from recipes.pocket import world
from recipes.pocket.device import device, half_products
from recipes.pocket.grammar import Description, chinese, english, sample_test
from recipes.pocket.samples import to_pixels, to_tensor
from recipes.pocket.staging import NARROW, stage

_BATCH = 100


def from_checkout(name: str) -> ModuleType:
    """A module of the repository that does not ship.

    Raises:
        RuntimeError: the training does not run from the root of a checkout.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"{name} is not part of the package: run the training from the root of a checkout"
        ) from error


def share_right(pixels: np.ndarray, described: list[Description]) -> float:
    """Share of pictures `[n, h, w, 3]` that show all that is described."""
    judge = from_checkout("tests.pixel_judge")
    right = [judge.all_right(judge.judge(p, d)) for p, d in zip(pixels, described, strict=True)]
    return float(np.mean(right))


def held_out_scenes(num_objects: int, count: int, seed: int) -> tuple[np.ndarray, list[Description]]:
    """Pictures of held-out descriptions that name everything, from the narrow ranges."""
    rng = np.random.default_rng(seed)
    described = [sample_test(num_objects, rng, keep=1.0) for _ in range(count)]
    drawn = [world.draw(stage(d, NARROW, rng), 64, world.EXACT, rng) for d in described]
    return np.stack(drawn), described


@torch.no_grad()
def reconstructed(vae: AutoencoderTiny, num_objects: int, count: int, seed: int) -> float:
    """Share of held-out drawn pictures that an autoencoder gives back right."""
    pixels, described = held_out_scenes(num_objects, count, seed)
    parts = []
    for start in range(0, count, _BATCH):
        pictures = to_tensor(pixels[start : start + _BATCH]).to(device())
        with half_products():
            parts.append(to_pixels(vae.decoder(vae.encoder(pictures).float())))
    return share_right(np.concatenate(parts), described)


def painted(
    pipeline: StableDiffusionPipeline, num_objects: int, count: int, seed: int, steps: int, guidance: float
) -> float:
    """Share of held-out prompts, both languages in turn, whose picture is right."""
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
