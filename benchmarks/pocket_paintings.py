"""The accuracy of the pocket pipelines: whether the pixels of a picture match its prompt."""

import functools
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import permutations
from pathlib import Path

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from PIL import Image

from benchmarks.pocket_cells import WRITERS, Cell, Figures, batches, descriptions
from benchmarks.pocket_models import Captioner
from recipes.pocket.scenes.grammar import Description, canonical, parse
from tests.pixel_judge import (
    MIN_OVERLAP,
    all_right,
    background_rgb,
    best_overlap,
    find_objects,
    has_shape,
    judge,
)

ATTRIBUTES = ("background", "colour", "shape", "size", "position", "relation", "count")
"""What is judged of a picture, in the order of tables."""


@dataclass(frozen=True)
class Painting:
    """How pictures are made: which pipeline, with how many steps and how much guidance."""

    model: str
    steps: int
    guidance: float


@dataclass
class Painted:
    """One prompt, its picture and what the judge and the captioner said of it."""

    wanted: Description
    picture: Image.Image
    verdict: dict[str, bool]
    came_back: bool

    @property
    def is_right(self) -> bool:
        """True if the picture shows all that was asked for."""
        return all_right(self.verdict)


@dataclass
class Gallery:
    """The pictures of one cell and language, of all seeds."""

    painted: list[Painted] = field(default_factory=list)

    def figures(self) -> Figures:
        """Share of right verdicts for each attribute, among the prompts that name it, and for all."""
        named, right = Counter[str](), Counter[str]()
        for one in self.painted:
            named.update(one.verdict.keys())
            right.update(name for name, is_right in one.verdict.items() if is_right)
        figures = {name: right[name] / named[name] for name in ATTRIBUTES if named[name]}
        figures["all"] = float(np.mean([one.is_right for one in self.painted]))
        return {**figures, "round trip": float(np.mean([one.came_back for one in self.painted]))}


def paint(
    pipeline: StableDiffusionPipeline, prompts: list[str], painting: Painting, seed: int
) -> list[Image.Image]:
    """One picture a prompt, each from a seed of its own."""
    pictures: list[Image.Image] = []
    for part in batches(prompts):
        first = seed * 100_000 + len(pictures)
        generators = [torch.Generator().manual_seed(first + i) for i in range(len(part))]
        pictures += pipeline(
            part,
            num_inference_steps=painting.steps,
            guidance_scale=painting.guidance,
            generator=generators,
        ).images
    return pictures


def paint_cell(
    weights: Path, painting: Painting, count: int, cell: Cell, language: str, seed: int
) -> list[Painted]:
    """Paints `count` held-out prompts of a cell and language, judges the pictures and has them captioned."""
    pipeline, captioner = _models(weights, painting.model)
    wanted = descriptions(cell, count, seed, keep=0.75)
    pictures = paint(pipeline, [WRITERS[language](d) for d in wanted], painting, seed)
    told = captioner.captions(pictures, language)
    return [
        Painted(d, picture, judge(picture, d), agrees(caption, d))
        for d, picture, caption in zip(wanted, pictures, told, strict=True)
    ]


@functools.cache
def _models(weights: Path, model: str) -> tuple[StableDiffusionPipeline, Captioner]:
    pipeline = StableDiffusionPipeline.from_pretrained(weights / model)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline, Captioner(weights / "pocket-captioner")


def agrees(caption: str, prompt: Description) -> bool:
    """True if a caption names the prompt's shapes, colours, background and relation."""
    read = parse(caption)
    if read is None:
        return False
    told, asked = canonical(read), canonical(prompt)
    ground = told.background if asked.background else None
    told = replace(told, background=ground, size=asked.size, position=asked.position)
    return told == asked


def seen_shapes(one: Painted) -> list[tuple[str, str]]:
    """Each shape asked for and the one whose ideal outline the picture's comes nearest to.

    "none": there are fewer objects, or the outline is too far from any shape's.
    """
    pixels = np.asarray(one.picture, dtype=np.float64)
    found = find_objects(pixels, background_rgb(pixels))
    asked = [shape for _, shape in one.wanted.pairs]
    if len(found) < len(asked):
        return [(shape, "none") for shape in asked]
    seen = []
    for item in found[: len(asked)]:
        nearest = max(MIN_OVERLAP, key=lambda shape: best_overlap(item, shape))
        seen.append(nearest if has_shape(item, nearest) else "none")
    best = max(permutations(seen), key=lambda order: sum(a == b for a, b in zip(asked, order, strict=True)))
    return list(zip(asked, best, strict=True))
