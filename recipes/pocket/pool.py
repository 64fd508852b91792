"""Encoded pictures and their prompts, drawn once: what a denoiser is trained on."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.pocket import checkpoint, gang
from recipes.pocket.device import device, half_products
from recipes.pocket.grammar import Description, drop_words, held_out
from recipes.pocket.parts import Parts
from recipes.pocket.samples import Sampler, to_pixels, to_tensor
from recipes.pocket.text_encoder import encode, tell

_TELLINGS = 4
_CHUNK = 256


@dataclass
class Pool:
    """Latents of many drawn scenes and a few tellings of each.

    Args:
        latents: `[n, 8, 8, 8]`, half precision.
        ids: `[n, tellings, 20]` token ids.
    """

    latents: torch.Tensor
    ids: torch.Tensor

    def draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch of latents and token ids, at random."""
        which = torch.randint(len(self.latents), (size,), device=self.latents.device)
        telling = torch.randint(self.ids.shape[1], (size,), device=self.ids.device)
        return self.latents[which].float(), self.ids[which, telling].long()

    @classmethod
    def kept(cls, parts: Parts, folder: Path, size: int, share_of_two: float, seed: int) -> "Pool":
        """The pool of an earlier run, or a new one."""
        if gang.place() == 0 and checkpoint.load(folder) is None:
            pool = make_pool(parts, size, seed, share_of_two)
            pieces = {"latents": list(pool.latents.split(8192)), "ids": list(pool.ids.split(8192))}
            checkpoint.save(pieces, folder)
        gang.wait()
        state = checkpoint.load(folder)
        assert state is not None  # noqa: S101 - for the type checker
        return cls(*(torch.cat(state[name]).to(device()) for name in ("latents", "ids")))


def _tellings(full: Description, rng: np.random.Generator) -> list[str]:
    prompts: list[str] = []
    while len(prompts) < _TELLINGS:
        partial = drop_words(full, rng, 0.75)
        if not held_out(partial):
            prompts.append(tell(partial, rng))
    return prompts


def _draw(seed: int, share_of_two: float) -> tuple[NDArray[np.uint8], list[str]]:
    batch = Sampler(seed, share_of_two).batch(_CHUNK)
    rng = np.random.default_rng(seed)
    prompts = [text for full in batch.full for text in _tellings(full, rng)]
    return to_pixels(batch.pictures), prompts


def chunks(
    size: int, seed: int, share_of_two: float, alone: bool = True
) -> Iterator[tuple[NDArray[np.uint8], list[str]]]:
    """Drawn pictures by 256 and four prompts of each, on all cores if this process draws alone."""
    seeds = range(seed * 1_000_000, seed * 1_000_000 + size // _CHUNK)
    if not alone:
        yield from map(_draw, seeds, [share_of_two] * len(seeds))
        return
    # Forking a process that holds threads or a CUDA context is not safe.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as drawers:
        yield from drawers.map(_draw, seeds, [share_of_two] * len(seeds))


@torch.no_grad()
def make_pool(parts: Parts, size: int, seed: int, share_of_two: float) -> Pool:
    """Draws scenes from the narrow ranges and encodes them, which takes a minute or two on two cores."""
    latents, ids = [], []
    for pixels, prompts in chunks(size, seed, share_of_two):
        pictures = to_tensor(pixels).to(device(), memory_format=torch.channels_last)
        with half_products():
            latents.append(parts.vae.encoder(pictures).half().cpu())
        ids.append(encode(parts.tokenizer, prompts).reshape(len(pictures), _TELLINGS, -1).short())
    return Pool(torch.cat(latents), torch.cat(ids))
