"""The training pool of denoisers: encoded pictures and their prompts, drawn once."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.pocket.networks.parts import Parts
from recipes.pocket.scenes.grammar import Description, drop_words, held_out
from recipes.pocket.scenes.samples import Sampler, to_pixels, to_tensor
from recipes.pocket.texts.text_encoder import encode, prompt_for
from recipes.pocket.training import checkpoint, process_group
from recipes.pocket.training.device import bfloat16_autocast, device

_PROMPTS_PER_PICTURE = 4
_CHUNK = 256


@dataclass
class Pool:
    """The latents of many drawn scenes, with several prompts of each.

    Args:
        latents: The latents, `[n, 8, 8, 8]`, half precision.
        ids: The token ids of the prompts, `[n, prompts, 20]`.
    """

    latents: torch.Tensor
    ids: torch.Tensor

    def draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a random batch of latents and token ids."""
        indices = torch.randint(len(self.latents), (size,), device=self.latents.device)
        prompt_indices = torch.randint(self.ids.shape[1], (size,), device=self.ids.device)
        return self.latents[indices].float(), self.ids[indices, prompt_indices].long()

    @classmethod
    def load_or_create(cls, parts: Parts, folder: Path, size: int, share_of_two: float, seed: int) -> "Pool":
        """Load the pool of an earlier run, or create a new one."""
        if process_group.rank() == 0 and checkpoint.load(folder) is None:
            pool = make_pool(parts, size, seed, share_of_two)
            pieces = {"latents": list(pool.latents.split(8192)), "ids": list(pool.ids.split(8192))}
            checkpoint.save(pieces, folder)
        process_group.barrier()
        state = checkpoint.load(folder)
        assert state is not None  # noqa: S101 - for the type checker
        return cls(*(torch.cat(state[name]).to(device()) for name in ("latents", "ids")))


def _prompts_for(full: Description, rng: np.random.Generator) -> list[str]:
    prompts: list[str] = []
    while len(prompts) < _PROMPTS_PER_PICTURE:
        partial = drop_words(full, rng, 0.75)
        if not held_out(partial):
            prompts.append(prompt_for(partial, rng))
    return prompts


def _draw(seed: int, share_of_two: float) -> tuple[NDArray[np.uint8], list[str]]:
    batch = Sampler(seed, share_of_two).batch(_CHUNK)
    rng = np.random.default_rng(seed)
    prompts = [text for full in batch.full for text in _prompts_for(full, rng)]
    return to_pixels(batch.pictures), prompts


def chunks(
    size: int, seed: int, share_of_two: float, alone: bool = True
) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
    """Yield 256 drawn pictures at a time and four prompts of each, drawn on all cores if `alone`."""
    seeds = range(seed * 1_000_000, seed * 1_000_000 + size // _CHUNK)
    if not alone:
        yield from map(_draw, seeds, [share_of_two] * len(seeds))
        return
    # Forking a process that holds threads or a CUDA context is not safe.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as executor:
        yield from executor.map(_draw, seeds, [share_of_two] * len(seeds))


@torch.no_grad()
def make_pool(parts: Parts, size: int, seed: int, share_of_two: float) -> Pool:
    """Draw scenes from the narrow ranges and encode them. It takes a minute or two on two cores."""
    latents, ids = [], []
    for pixels, prompts in chunks(size, seed, share_of_two):
        pictures = to_tensor(pixels).to(device(), memory_format=torch.channels_last)
        with bfloat16_autocast():
            latents.append(parts.vae.encoder(pictures).half().cpu())
        ids.append(encode(parts.tokenizer, prompts).reshape(len(pictures), _PROMPTS_PER_PICTURE, -1).short())
    return Pool(torch.cat(latents), torch.cat(ids))
