"""How large the pictures of a job become that begins with a picture."""

import math

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.image_to_image import ImageToImageRequest

# Below it a denoiser that halves its latents again and again has nothing left of them.
SMALLEST_SIDE = 16


def picture_size(given: tuple[int, int], request: ImageToImageRequest, model: Model) -> tuple[int, int]:
    """Width and height: those asked for; else the given picture's proportions, and no more than it has.

    Where neither is asked for, the area is at most that of the model's own default size, for which it was
    trained. Where one is, the other follows from the proportions.

    Args:
        given: Width and height of the picture that the job begins with.
        request: May ask for a size.
        model: Its family says of what both sides have to be multiples.
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
    # A little more than nothing, for 64.0 may have become 63.999 on its way.
    return max(-(-SMALLEST_SIDE // multiple) * multiple, int(length + 0.01) // multiple * multiple)
