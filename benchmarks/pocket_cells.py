"""The held-out descriptions and drawn pictures that the pocket models are measured on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, chinese, english, sample_test
from recipes.pocket.scenes.staging import WIDE, stage

Figures = dict[str, float]
WRITERS: dict[str, Callable[[Description], str]] = {"en": english, "zh": chinese}
_BATCH = 50


@dataclass(frozen=True)
class Cell:
    """One kind of prompt or picture that is measured apart."""

    num_objects: int
    never_trained: bool

    @property
    def name(self) -> str:
        """Its row's name in the table."""
        count = "one" if self.num_objects == 1 else "two"
        return f"{count}, never" if self.never_trained else count


CELLS = (Cell(1, False), Cell(2, False), Cell(1, True), Cell(2, True))


def batches(items: list[Any]) -> Iterator[list[Any]]:
    """Slices of at most 50."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def descriptions(cell: Cell, count: int, seed: int, keep: float) -> list[Description]:
    """Held-out descriptions; `keep` is the probability that an optional word is there."""
    rng = np.random.default_rng(seed)
    return [sample_test(cell.num_objects, rng, keep, cell.never_trained) for _ in range(count)]


def drawn(cell: Cell, count: int, seed: int) -> list[tuple[world.Scene, Image.Image]]:
    """Held-out scenes and their pictures."""
    rng = np.random.default_rng(seed)
    scenes = [stage(d, WIDE, rng) for d in descriptions(cell, count, seed, keep=1.0)]
    return [(s, Image.fromarray(world.draw(s, 64, world.VARIED, rng))) for s in scenes]
