"""What covers a part of a picture."""

from collections.abc import Mapping

import numpy as np
from brushwork_schemas.kinds.explanations.request import Fill
from PIL import Image, ImageFilter

DEFAULT_FILL: Fill = "mean"
_COLOURS: Mapping[Fill, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "gray": (128, 128, 128),
    "white": (255, 255, 255),
}
# The standard deviation of the blur, as a share of the shorter side: no shape is left.
_BLUR_SHARE = 0.12


def covering(picture: Image.Image, fill: Fill) -> Image.Image:
    """Return the picture with all of its parts covered.

    Args:
        picture: A picture in mode RGB.
        fill: What covers it: one colour, the mean colour of the picture, or the picture out of focus.
    """
    if fill == "blur":
        return picture.filter(ImageFilter.GaussianBlur(_BLUR_SHARE * min(picture.size)))
    mean = np.asarray(picture).reshape(-1, 3).mean(axis=0)
    red, green, blue = (round(float(value)) for value in mean)
    return Image.new("RGB", picture.size, _COLOURS.get(fill, (red, green, blue)))
