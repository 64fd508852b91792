"""Whether a picture that was served is the one that the upstream library makes."""

from typing import Any

import numpy as np
from PIL import Image

# Of the range; and half a level more, for a served picture has been rounded to 8 bits.
TOLERANCE = 1e-3
ROUNDING = 0.5 / 255


def assert_equals(served: Image.Image, upstream: Any) -> None:
    """The served picture is a rounding of what upstream gives, and that is no plain colour.

    Args:
        served: As it was fetched.
        upstream: Floats of 0 to 1, (height, width, 3).
    """
    floats = np.asarray(upstream, dtype=np.float64)
    pixels = np.asarray(served.convert("RGB"), dtype=np.float64) / 255
    assert pixels.shape == floats.shape
    assert floats.std() > 0.01, "a plain picture says nothing"
    assert np.abs(pixels - floats).max() <= TOLERANCE + ROUNDING
