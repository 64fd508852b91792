"""Training scenes of inpainting: a picture, the same picture without one object, and a mask around the object.

A mask is a rectangle of cells, and the object stands in its middle. So the mask determines the place and the
size of the object, and the prompt its colour and shape.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import Description, held_out, sample_training
from recipes.pocket.scenes.world import SceneObject

CELLS = 8
"""Cells along a side of the mask. A cell of a picture of 64x64 is 8x8 pixels, like a latent."""
_MIN_CELLS = 3
_FILL = (0.72, 0.86)
"""The span of the object, as a share of the shorter side of the mask."""
_LARGEST_SPAN = 0.6
_SHARE_OF_NEIGHBOURS = 0.4


@dataclass(frozen=True)
class MaskedScene:
    """One training scene of inpainting.

    Args:
        picture: The picture with the object, `[64, 64, 3]`, 0 to 255.
        known: The picture without it.
        mask: The cells to be filled, `[8, 8]`, True inside.
        prompt: The description of the object.
    """

    picture: world.Pixels
    known: world.Pixels
    mask: NDArray[np.bool_]
    prompt: Description


def sample_masked(rng: np.random.Generator) -> MaskedScene:
    """Draw a random scene with one object in the mask, and in 40 % another object beside the mask."""
    full, _ = sample_training(1, rng)
    top, left, height, width = _rectangle(rng)
    mask = np.zeros((CELLS, CELLS), dtype=bool)
    mask[top : top + height, left : left + width] = True
    span = min(min(height, width) / CELLS * float(rng.uniform(*_FILL)), _LARGEST_SPAN)
    colour, shape = full.pairs[0]
    x, y = (left + width / 2) / CELLS, (top + height / 2) / CELLS
    item = SceneObject(shape, colour, span, x, y)
    neighbour = _neighbour(mask, rng) if rng.random() < _SHARE_OF_NEIGHBOURS else ()
    ground = str(full.background)
    return MaskedScene(
        world.draw(world.Scene(ground, (*neighbour, item)), 64, world.EXACT, rng),
        world.draw(world.Scene(ground, neighbour), 64, world.EXACT, rng),
        mask,
        _prompt(full, rng),
    )


def _rectangle(rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return top, left, height and width in cells. Half of the masks are in the middle, as after a crop."""
    height, width = (int(n) for n in rng.integers(_MIN_CELLS, CELLS + 1, 2))
    if rng.random() < 0.5:
        width = height
    if rng.random() < 0.5:
        return (CELLS - height) // 2, (CELLS - width) // 2, height, width
    return int(rng.integers(CELLS - height + 1)), int(rng.integers(CELLS - width + 1)), height, width


def _neighbour(mask: NDArray[np.bool_], rng: np.random.Generator) -> tuple[SceneObject, ...]:
    """Return an object on the largest free strip beside the mask, or none if there is no room."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    strips = [
        (0, columns[0], 1),
        (columns[-1] + 1, CELLS, 1),
        (0, rows[0], 0),
        (rows[-1] + 1, CELLS, 0),
    ]
    first, end, axis = max(strips, key=lambda strip: int(strip[1] - strip[0]))
    room = float(end - first) / CELLS
    if room < 0.25:
        return ()
    span = min(room * 0.85, float(rng.uniform(0.22, 0.45)))
    along = (first + end) / 2 / CELLS
    across = float(rng.uniform(span / 2 + 0.02, 1 - span / 2 - 0.02))
    x, y = (along, across) if axis else (across, along)
    other, _ = sample_training(1, rng)
    colour, shape = other.pairs[0]
    return (SceneObject(shape, colour, span, float(x), float(y)),)


def _prompt(full: Description, rng: np.random.Generator) -> Description:
    """Return the prompt: always colour and shape, sometimes the background, a size or a place.

    A size or a place refers to the whole picture and not to the mask, so the picture does not follow them.
    """
    kept = rng.random(3) < (0.3, 0.2, 0.2)
    prompt = Description(
        full.pairs,
        full.background if kept[0] else None,
        full.size if kept[1] else None,
        full.position if kept[2] else None,
    )
    return full if held_out(prompt) else prompt
