"""A second training of the denoiser: for prompts that leave words out, and for inpainting.

Prompts that name only a shape, or only a colour and a shape, are rare in the first training, or missing.
Here they are frequent. What they leave out is most often the middle of the picture and the middle size, so
fewer pictures fit such a prompt.

For inpainting, the cells of the latents outside of the mask hold the known picture without noise. The
denoiser recognises them by that, so the shape of its input stays the same and one denoiser serves all kinds.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from recipes.pocket.networks.denoiser import BATCH, build, keep, noisy_timesteps
from recipes.pocket.networks.judging import generation_accuracy
from recipes.pocket.networks.noise import build_scheduler
from recipes.pocket.networks.parts import Parts
from recipes.pocket.networks.text_encoder import encode, prompt_for
from recipes.pocket.scenes.grammar import CHINESE, Description, held_out
from recipes.pocket.scenes.masked import sample_masked
from recipes.pocket.scenes.samples import Sampler, to_pixels, to_tensor
from recipes.pocket.training import checkpoint, learning_curve, process_group
from recipes.pocket.training.device import bfloat16_autocast, device, on_device
from recipes.pocket.training.initial_weights import load_initial_weights
from recipes.pocket.training.loop import Loop, Plan, TimeBudget

_CHUNK = 256
_POOL, _MASKED_POOL = 49_152, 32_768
_PROMPTS_PER_PICTURE = 4
_SHARE_OF_TWO = 0.2
_SHARE_MASKED = 0.4
_UNCONDITIONAL = 0.1
_ONLY_SHAPE = 0.18
"""The share of prompts of one object that name no colour."""
_DROPPED = {"background": 0.5, "usual": 0.8, "other": 0.12}
"""The probabilities that a prompt leaves out the background, the middle (of places and sizes), or another."""


def vague(full: Description, rng: np.random.Generator) -> Description:
    """Return the description of a prompt that leaves out several words of a full description."""
    place = _DROPPED["usual" if full.position == "center" else "other"]
    kept = rng.random(3) >= (_DROPPED["background"], _DROPPED["other"], place)
    return replace(
        full,
        background=full.background if kept[0] else None,
        size=full.size if kept[1] else None,
        position=full.position if kept[2] else None,
    )


def without_colour(prompt: str, description: Description) -> str:
    """Return a prompt of one object without its colour: `a red star` becomes `a star`."""
    colour = description.pairs[0][0]
    text = prompt.replace("an orange", "a orange").replace(f"{colour} ", "", 1)
    return text.replace(CHINESE[colour], "", 1)


def prompts_for(full: Description, rng: np.random.Generator) -> list[str]:
    """Return several prompts of a picture, in both languages."""
    prompts: list[str] = []
    while len(prompts) < _PROMPTS_PER_PICTURE:
        partial = vague(full, rng)
        if held_out(partial):
            continue
        text = prompt_for(partial, rng)
        is_bare = len(full.pairs) == 1 and rng.random() < _ONLY_SHAPE
        prompts.append(without_colour(text, partial) if is_bare else text)
    return prompts


def _draw_plain(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    batch = Sampler(seed, _SHARE_OF_TWO).batch(_CHUNK)
    rng = np.random.default_rng(seed)
    pixels = to_pixels(batch.pictures)
    prompts = [text for full in batch.full for text in prompts_for(full, rng)]
    return pixels, pixels, np.ones((_CHUNK, 8, 8), dtype=bool), prompts


def _draw_masked(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    scenes = [sample_masked(rng) for _ in range(_CHUNK)]
    prompts = [prompt_for(scene.prompt, rng) for scene in scenes for _ in range(_PROMPTS_PER_PICTURE)]
    return (
        np.stack([scene.picture for scene in scenes]),
        np.stack([scene.known for scene in scenes]),
        np.stack([scene.mask for scene in scenes]),
        prompts,
    )


@dataclass
class MaskedPool:
    """Encoded pictures with their masks and prompts.

    Args:
        latents: The latents of the pictures, `[n, 8, 8, 8]`, half precision.
        known: The latents of the pictures without the object.
        masks: The cells to be filled, `[n, 1, 8, 8]`, 0 or 1; all ones for text-to-image.
        ids: The token ids of the prompts, `[n, prompts, 20]`.
    """

    latents: torch.Tensor
    known: torch.Tensor
    masks: torch.Tensor
    ids: torch.Tensor

    def draw(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return a random batch of latents, known latents, masks and token ids."""
        rows = torch.randint(len(self.latents), (size,), device=self.latents.device)
        prompts = torch.randint(self.ids.shape[1], (size,), device=self.ids.device)
        return (
            self.latents[rows].float(),
            self.known[rows].float(),
            self.masks[rows].float(),
            self.ids[rows, prompts].long(),
        )

    @classmethod
    def load_or_create(cls, parts: Parts, folder: Path, size: int, masked: bool, seed: int) -> "MaskedPool":
        """Load the pool of an earlier run, or create a new one."""
        if process_group.rank() == 0 and checkpoint.load(folder) is None:
            pool = make_pool(parts, size, masked, seed)
            pieces = {name: list(tensor.split(8192)) for name, tensor in vars(pool).items()}
            checkpoint.save(pieces, folder)
        process_group.barrier()
        state = checkpoint.load(folder)
        assert state is not None  # noqa: S101 - for the type checker
        names = ("latents", "known", "masks", "ids")
        return cls(*(torch.cat(state[name]).to(device()) for name in names))


@torch.no_grad()
def make_pool(parts: Parts, size: int, masked: bool, seed: int) -> MaskedPool:
    """Draw scenes, with masks or without, and encode them."""
    rows: list[tuple[torch.Tensor, ...]] = []
    seeds = range(seed * 1_000_000, seed * 1_000_000 + size // _CHUNK)
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 2), mp_context=get_context("spawn")) as executor:
        for picture, known, mask, prompts in executor.map(_draw_masked if masked else _draw_plain, seeds):
            latents = _encode(parts, picture)
            ids = encode(parts.tokenizer, prompts).reshape(_CHUNK, _PROMPTS_PER_PICTURE, -1).short()
            cells = torch.from_numpy(mask)[:, None]
            rows.append((latents, _encode(parts, known) if masked else latents, cells, ids))
    return MaskedPool(*(torch.cat(column) for column in zip(*rows, strict=True)))


def _encode(parts: Parts, pixels: np.ndarray) -> torch.Tensor:
    pictures = to_tensor(pixels).to(device(), memory_format=torch.channels_last)
    with bfloat16_autocast():
        latents: torch.Tensor = parts.vae.encoder(pictures).half().cpu()
    return latents


def make_loss(
    unet: UNet2DConditionModel, parts: Parts, plain: MaskedPool, masked: MaskedPool
) -> Callable[[], tuple[torch.Tensor, int, dict[str, float]]]:
    """Return the loss function: the mean squared error of v, over the cells of the mask."""
    alphas = build_scheduler().alphas_cumprod.to(device())
    empty = encode(parts.tokenizer, [""])[0].to(device())
    size = BATCH[device().type]
    num_masked = round(size * _SHARE_MASKED)

    def loss() -> tuple[torch.Tensor, int, dict[str, float]]:
        both = zip(plain.draw(size - num_masked), masked.draw(num_masked), strict=True)
        latents, known, cells, ids = (torch.cat(pair) for pair in both)
        ids = torch.where(torch.rand(size, 1, device=device()) < _UNCONDITIONAL, empty, ids)
        steps = noisy_timesteps(size).to(device())
        signal = alphas[steps].sqrt()[:, None, None, None]
        spread = (1 - alphas[steps]).sqrt()[:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = torch.where(cells > 0, signal * latents + spread * noise, known)
        with bfloat16_autocast():
            with torch.no_grad():
                text = parts.text_encoder(input_ids=ids).last_hidden_state
            velocity = unet(
                noisy.contiguous(memory_format=torch.channels_last), steps, encoder_hidden_states=text
            ).sample
        squares = (velocity.float() - (signal * noise - spread * latents)).square().mean(1, keepdim=True)
        errors = (squares * cells).sum((1, 2, 3)) / cells.sum((1, 2, 3))
        first, second = errors[: size - num_masked].mean(), errors[size - num_masked :].mean()
        return errors.mean(), size, {"plain": first.item(), "masked": second.item()}

    return loss


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the denoiser in `out / "unet"` further, or the shipped one, and save it there."""
    parts, unet = Parts.load(out), build()
    if not load_initial_weights(unet, out, "pocket-diffusion/unet"):
        unet = UNet2DConditionModel.from_pretrained(out / "unet")
    unet.set_attn_processor(AttnProcessor())
    unet = on_device(unet)
    loop = Loop({"unet": unet}, Plan(budget, 4e-4, average=0.998, hold=0.4), out / "retouch")
    plain = MaskedPool.load_or_create(parts, out / "vague_pool", _POOL, False, 301)
    masked = MaskedPool.load_or_create(parts, out / "masked_pool", _MASKED_POOL, True, 302)

    def evaluate() -> None:
        pipeline = parts.pipeline(keep(loop.averages["unet"], out / "unet"))
        one, two = (generation_accuracy(pipeline, n, 100, 3200, steps=12, guidance=2.0) for n in (1, 2))
        samples = loop.step * BATCH[device().type] * process_group.world_size()
        learning_curve.note(out, "retouch", loop.spent_s / 60, samples, (one, two))

    finished = loop.run(make_loss(unet, parts, plain, masked), evaluate, evaluate_every_s=1200.0)
    if finished and process_group.rank() == 0:
        evaluate()
    return finished
