"""Choose positions and sizes of the objects of a full description.

`WIDE` covers all allowed ranges. `NARROW` stays near one position and one size for each word, so that a
prompt nearly determines its picture and a small denoiser has less to learn.
"""

from dataclasses import dataclass

import numpy as np

from recipes.pocket.scenes.grammar import Description
from recipes.pocket.scenes.world import Scene, SceneObject

_AXES = {
    "left": (-1, 0),
    "right": (1, 0),
    "top": (0, -1),
    "bottom": (0, 1),
    "center": (0, 0),
    "left of": (-1, 0),
    "right of": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}


@dataclass(frozen=True)
class Ranges:
    """The ranges of spans and positions, as shares of the canvas.

    Args:
        small, medium, large: spans of one object by size word, medium for none.
        pair: span of each of two objects.
        offset: one object's distance off the middle, as a share of the room its span leaves.
        across: largest straying off the middle line, and of `center`.
        gap: space between two objects along their axis; what is left of the canvas is split at random.
        pair_across: largest straying of each of two objects off the middle line.
    """

    small: tuple[float, float]
    medium: tuple[float, float]
    large: tuple[float, float]
    pair: tuple[float, float]
    offset: tuple[float, float]
    across: float
    gap: tuple[float, float]
    pair_across: float


WIDE = Ranges(
    small=(0.22, 0.32),
    medium=(0.37, 0.45),
    large=(0.50, 0.65),
    pair=(0.25, 0.40),
    offset=(0.6, 0.95),
    across=0.04,
    gap=(0.05, 0.35),
    pair_across=0.04,
)
NARROW = Ranges(
    small=(0.265, 0.285),
    medium=(0.40, 0.42),
    large=(0.56, 0.58),
    pair=(0.335, 0.355),
    offset=(0.73, 0.77),
    across=0.006,
    gap=(0.125, 0.135),
    pair_across=0.006,
)


def stage(description: Description, ranges: Ranges, rng: np.random.Generator) -> Scene:
    """Return a random scene of a full description (with background, and position or relation)."""
    if description.background is None:
        raise ValueError("the description must be full, but it has no background")
    place = _two if description.relation else _one
    return Scene(description.background, place(description, ranges, rng))


def _one(description: Description, ranges: Ranges, rng: np.random.Generator) -> tuple[SceneObject, ...]:
    spans = {"small": ranges.small, "large": ranges.large, None: ranges.medium}
    span = float(rng.uniform(*spans[description.size]))
    room = (1.0 - span) / 2.0
    offset = max(0.10, room * rng.uniform(*ranges.offset))
    dx, dy = _AXES[description.position or "center"]
    offset_x, offset_y = rng.uniform(-ranges.across, ranges.across, 2)
    colour, shape = description.pairs[0]
    x = float(0.5 + (dx * offset if dx else offset_x))
    y = float(0.5 + (dy * offset if dy else offset_y))
    return (SceneObject(shape, colour, span, x, y),)


def _two(description: Description, ranges: Ranges, rng: np.random.Generator) -> tuple[SceneObject, ...]:
    spans = rng.uniform(*ranges.pair, 2)
    spare = 0.96 - spans.sum()
    gap = min(rng.uniform(*ranges.gap), spare)
    # With wide ranges the objects may be anywhere along the axis, with narrow ones they are near the middle.
    free = (spare - gap) / 2.0 * (1.0 if ranges.pair_across > 0.02 else 0.05)
    near = 0.5 - (spans.sum() + gap) / 2.0 + rng.uniform(-free, free)
    dx, dy = _AXES[description.relation or "left of"]
    order = (0, 1) if dx + dy < 0 else (1, 0)
    along = {order[0]: near + spans[order[0]] / 2}
    along[order[1]] = near + spans[order[0]] + gap + spans[order[1]] / 2
    objects = []
    for index, (colour, shape) in enumerate(description.pairs):
        cross_offset = 0.5 + rng.uniform(-ranges.pair_across, ranges.pair_across)
        x, y = (along[index], cross_offset) if dx else (cross_offset, along[index])
        objects.append(SceneObject(shape, colour, float(spans[index]), float(x), float(y)))
    return tuple(objects)
