"""The text encoder of prompts of videos."""

from pathlib import Path

import numpy as np

from recipes.pocket.scenes import motions, world
from recipes.pocket.scenes.motions import DIRECTIONS, DISTANCES
from recipes.pocket.texts import small_text_encoder
from recipes.pocket.texts.small_text_encoder import Grammar
from recipes.pocket.training.loop import TimeBudget

NAME = "motion_text_encoder"


def grammar() -> Grammar:
    """Return what the text encoder must read: the object, its background and its way."""
    attributes = {
        "colour": len(world.COLOURS),
        "shape": len(world.SHAPES),
        "direction": len(DIRECTIONS),
        "distance": len(DISTANCES),
        "background": len(world.BACKGROUNDS) + 1,
    }
    return Grammar(motions.words(), motions.terms(), attributes, _sample)


def _sample(rng: np.random.Generator) -> tuple[str, list[int]]:
    motion = motions.sample_training(rng)
    grounds = (None, *world.BACKGROUNDS)
    return motions.prompt_for(motion, rng), [
        tuple(world.COLOURS).index(motion.colour),
        world.SHAPES.index(motion.shape),
        DIRECTIONS.index(motion.direction),
        list(DISTANCES).index(motion.distance),
        grounds.index(motion.background),
    ]


def train(out: Path, budget: TimeBudget) -> bool:
    """Train the text encoder and save it to `out / NAME`."""
    return small_text_encoder.train(grammar(), out, NAME, budget)
