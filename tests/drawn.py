"""Pictures for tests: many sizes, all different, made of nothing but a seed."""

import io

import numpy as np
from PIL import Image


def drawn(seed: int) -> Image.Image:
    """Coloured rectangles on noise; sides between 40 and 90 pixels."""
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(40, 90, 2))
    pixels = rng.integers(0, 60, (height, width, 3))
    for _ in range(4):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        pixels[top : top + rng.integers(8, 40), left : left + rng.integers(8, 40)] = rng.integers(0, 256, 3)
    return Image.fromarray(pixels.astype(np.uint8))


def png(picture: Image.Image) -> bytes:
    """As a file."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
