"""A map in colour over its picture."""

import numpy as np
import numpy.typing as npt
from PIL import Image

_COLOURS = np.array(
    [
        (0, 0, 4), (11, 7, 36), (33, 12, 74), (60, 9, 101), (87, 16, 109), (112, 25, 110), (137, 34, 106),
        (163, 43, 97), (187, 55, 85), (209, 70, 68), (227, 89, 50), (241, 113, 30), (249, 141, 10),
        (252, 171, 15), (249, 202, 50), (242, 232, 101), (252, 255, 164),
    ],
    np.float32,
)  # fmt: skip
"""`inferno` of matplotlib at equal steps: its lightness rises evenly, also for people who see few colours."""
_LEAST_COVERED, _MOST_COVERED = 0.35, 0.8
"""The share of the colour in a pixel whose value is the lowest, and the highest."""

# A few pixels of the maps of gradients are far above all others, which would be dark.
_BRIGHTEST = 0.005


def overlay(picture: Image.Image, values: npt.NDArray[np.float32]) -> Image.Image:
    """Return a picture in grey under the colours of its map.

    Args:
        picture: The picture.
        values: The map: [height, width] of the picture. The lowest colour is 0, or the lowest value if that
            is negative; the highest colour is exceeded by `_BRIGHTEST` of the pixels that are not the lowest.

    Returns:
        A picture in mode RGB. If the map is empty, all of it has the lowest colour.
    """
    low, high = min(0.0, float(values.min())), _bright(values)
    shares = np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)
    places = shares * (len(_COLOURS) - 1)
    below = np.minimum(places.astype(np.int64), len(_COLOURS) - 2)
    rest = (places - below)[..., None]
    colour = _COLOURS[below] * (1 - rest) + _COLOURS[below + 1] * rest
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    covered = (_LEAST_COVERED + (_MOST_COVERED - _LEAST_COVERED) * shares)[..., None]
    mixed = grey * (1 - covered) + colour * covered
    return Image.fromarray(np.clip(mixed + 0.5, 0, 255).astype(np.uint8))


def _bright(values: npt.NDArray[np.float32]) -> float:
    """Return the value of the highest colour."""
    above = values[values > max(0.0, float(values.min()))]
    return float(np.quantile(above, 1 - _BRIGHTEST)) if above.size else float(values.max())
