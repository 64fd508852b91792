"""The text encoder of instructions on pictures."""

from pathlib import Path

import numpy as np

from recipes.pocket.scenes import edits, world
from recipes.pocket.texts import small_text_encoder
from recipes.pocket.texts.small_text_encoder import Grammar
from recipes.pocket.training.loop import TimeBudget

NAME = "instruction_text_encoder"
_EMPTY_SHARE = 0.05


def grammar() -> Grammar:
    """Return what the text encoder must read: the named colour or place, or nothing."""
    attributes = {"colour": len(world.COLOURS) + 1, "position": len(world.POSITIONS) + 1}
    return Grammar(edits.words(), edits.terms(), attributes, _sample)


def _sample(rng: np.random.Generator) -> tuple[str, list[int]]:
    if rng.random() < _EMPTY_SHARE:
        return "", [0, 0]
    every = edits.instructions()
    one = every[int(rng.integers(len(every)))]
    colour = tuple(world.COLOURS).index(one.colour) + 1 if one.colour else 0
    position = world.POSITIONS.index(one.position) + 1 if one.position else 0
    return edits.prompt_for(one, rng), [colour, position]


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the text encoder and save it to `out / NAME`."""
    return small_text_encoder.train(grammar(), out, NAME, budget)
