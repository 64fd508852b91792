"""The size of the result of a job that starts from a picture."""

import math

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.image_to_image import ImageToImageRequest

# A denoiser halves its latents several times. Below this size nothing would be left of them.
SMALLEST_SIDE = 16


def picture_size(given: tuple[int, int], request: ImageToImageRequest, model: Model) -> tuple[int, int]:
    """Return width and height of the result, in pixels.

    If the request has both, they are used. If it has one of them, the other follows from the proportions of
    the input picture. If it has neither, the result has the proportions of the input picture, is not larger
    than it, and has at most the area of the default size of the model.

    Args:
        given: Width and height of the input picture, in pixels.
        request: The request, which may name a width and a height.
        model: The model. Both sides become multiples of the number that its family requires.
    """
    width, height = given
    if request.width and request.height:
        return request.width, request.height
    if request.width:
        scale = request.width / width
    elif request.height:
        scale = request.height / height
    else:
        scale = min(1.0, math.sqrt(_default_area(model) / (width * height)))
    longest = model.limits.max_side
    scale = min(scale, longest / width, longest / height)
    multiple = model.family_spec.multiple_of
    return request.width or _side(width * scale, multiple), request.height or _side(height * scale, multiple)


def _default_area(model: Model) -> int:
    defaults = model.defaults_of("text-to-image")
    area: int = defaults["width"] * defaults["height"]
    return area


def _side(length: float, multiple: int) -> int:
    # A small tolerance, because rounding may have turned 64.0 into 63.999.
    return max(-(-SMALLEST_SIDE // multiple) * multiple, int(length + 0.01) // multiple * multiple)
