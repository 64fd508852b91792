"""The size of the result of a job that starts from a picture."""

import math
from typing import Any

from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.generation import GenerationRequest
from brushwork_schemas.warnings import ResultWarning, result_warning
from PIL import Image

# A denoiser halves its latents several times. Below this size nothing would be left of them.
SMALLEST_SIDE = 16
# The side of the picture of the first run, in multiples of what the pipeline requires.
_WARM_UP_MULTIPLES = 4


def picture_size(given: tuple[int, int], request: GenerationRequest, model: Model) -> tuple[int, int]:
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
        scale = min(1.0, math.sqrt((_default_area(model) or width * height) / (width * height)))
    longest = model.limits.max_side
    scale = min(scale, longest / width, longest / height)
    multiple = model.multiple_of
    return request.width or _side(width * scale, multiple), request.height or _side(height * scale, multiple)


def limited_size(given: tuple[int, int], model: Model, multiple: int) -> tuple[int, int]:
    """Return width and height of a result that has the size of its input picture, in pixels.

    Args:
        given: Width and height of the input picture, in pixels.
        model: The model, whose limit of a side counts.
        multiple: The number of which both sides are multiples.
    """
    scale = min(1.0, model.limits.max_side / max(given))
    return _side(given[0] * scale, multiple), _side(given[1] * scale, multiple)


def size_warnings(
    given: tuple[int, int],
    used: tuple[int, int],
    request: GenerationRequest,
    model: Model,
    *,
    field: str = "image",
) -> list[ResultWarning]:
    """Return a warning if the result has other sides or proportions than the input picture.

    Args:
        given: Width and height of the input picture, in pixels.
        used: Width and height of the result, in pixels.
        request: The request. A size that it asks for is no surprise, but proportions that change are.
        model: The model.
        field: The parameter of the picture.
    """
    if given == used:
        return []
    sizes = {"given": written(given), "used": written(used)}
    if request.width and request.height:
        return stretched(field, given, used)
    if request.width or request.height:
        return []
    multiple = model.multiple_of
    # Rounding takes away less than a multiple from each side, unless a side would be too small.
    if max(before - after for before, after in zip(given, used, strict=True)) < multiple:
        return [result_warning("size_rounded", field, multiple=multiple, **sizes)]
    return [result_warning("size_reduced", field, **sizes)]


def stretched(field: str, given: tuple[int, int], used: tuple[int, int]) -> list[ResultWarning]:
    """Return a warning if a picture is resized to other proportions, beyond the rounding of its sides.

    Args:
        field: The parameter of the picture.
        given: Its width and height, in pixels.
        used: Width and height that it is resized to, in pixels.
    """
    scales = [after / before for before, after in zip(given, used, strict=True)]
    # Off by more than a pixel of the result.
    is_stretched = (max(scales) - min(scales)) * min(given) > 1
    sizes = {"given": written(given), "used": written(used)}
    return [result_warning("image_stretched", field, **sizes)] if is_stretched else []


def warm_up_fields(model: Model, kind: str) -> dict[str, Any]:
    """Return the request fields for the first run of a model: its defaults, for few steps.

    A described pipeline runs on a small picture: its default size may take minutes on a CPU.
    """
    fields = {**model.defaults_of(kind), "prompt": "a picture"}
    if model.accepts_field(kind, "num_inference_steps"):
        fields["num_inference_steps"] = 2
    if model.pipeline is not None and model.accepts_field(kind, "width"):
        side = _WARM_UP_MULTIPLES * model.multiple_of
        fields |= {name: min(side, fields.get(name) or side) for name in ("width", "height")}
    return fields


def resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return the picture in the given width and height."""
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def written(size: tuple[int, int]) -> str:
    """Return width and height as text."""
    return f"{size[0]} x {size[1]}"


def _default_area(model: Model) -> int:
    """Return the pixels of a picture of the default size; 0 if the model has none."""
    if model.pipeline is not None:
        return (model.pipeline.width or 0) * (model.pipeline.height or 0)
    defaults = model.defaults_of("text-to-image")
    area: int = defaults["width"] * defaults["height"]
    return area


def _side(length: float, multiple: int) -> int:
    # A small tolerance, because rounding may have turned 64.0 into 63.999.
    return max(-(-SMALLEST_SIDE // multiple) * multiple, int(length + 0.01) // multiple * multiple)
