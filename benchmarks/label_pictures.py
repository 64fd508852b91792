"""Pictures for classification: drawings of the pocket world at 224x224, as PNG."""

import io
from itertools import cycle, islice

import numpy as np
from PIL import Image

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import sample_test
from recipes.pocket.scenes.staging import WIDE, stage

SIDE = 224
NUM_DIFFERENT = 32


def drawn_pngs(count: int) -> list[bytes]:
    """`count` files, of which at most 32 differ."""
    rng = np.random.default_rng(11)
    files = [_png(rng) for _ in range(min(count, NUM_DIFFERENT))]
    return list(islice(cycle(files), count))


def _png(rng: np.random.Generator) -> bytes:
    scene = stage(sample_test(1, rng, keep=1.0), WIDE, rng)
    buffer = io.BytesIO()
    Image.fromarray(world.draw(scene, SIDE, world.VARIED, rng)).save(buffer, "PNG")
    return buffer.getvalue()
