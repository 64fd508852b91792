"""Padding of pictures."""

import numpy as np
from PIL import Image


def pad_to(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Pad an RGB picture to at least `width` x `height` pixels by repeating its last column and row."""
    right, below = max(0, width - picture.width), max(0, height - picture.height)
    if not right and not below:
        return picture
    return Image.fromarray(np.pad(np.asarray(picture), ((0, below), (0, right), (0, 0)), mode="edge"))
