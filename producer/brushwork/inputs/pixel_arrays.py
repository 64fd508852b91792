"""Turn arrays of pixels into PIL images. The arrays are those of NumPy, which need not be installed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import Phrase, said

if TYPE_CHECKING:
    from PIL.Image import Image

_HINT = (
    "Give uint8 (0 to 255) as height x width or height x width x channels (1 to 4), or bool or uint16 "
    "(0 to 65535) as height x width. For values from 0 to 1: (255 * array).round().astype('uint8')."
)
_CHANNELS = (1, 2, 3, 4)


def is_pixel_array(given: object) -> bool:
    """Return whether `given` is an array that shares its memory as NumPy's arrays do."""
    return isinstance(getattr(given, "__array_interface__", None), Mapping)


def image_of(array: Any, field: str) -> "Image":
    """Return the pixels of an array as an image.

    Other types of numbers are refused, because their range says nothing about which value is white.

    Args:
        array: An array for which `is_pixel_array` is true.
        field: Name of the request's field, for error messages.

    Raises:
        InvalidImage: The array has another shape or another type.
    """
    from PIL import Image

    shape, kind = tuple(array.shape), array.__array_interface__["typestr"][1:]
    channels = shape[2] if len(shape) == 3 else 1
    named = {"field": field, "shape": str(shape)}
    takes = {"u1": _CHANNELS, "b1": (1,), "u2": (1,)}
    if len(shape) not in (2, 3) or channels not in takes.get(kind, ()):
        dtype = str(getattr(array, "dtype", kind))
        raise _refused(
            said("{field}: an array of {dtype} and shape {shape} is not a picture.", dtype=dtype, **named),
            field,
        )
    if 0 in shape:
        raise _refused(said("{field}: an array of shape {shape} has no pixels.", **named), field)
    pixels = array[:, :, 0] if len(shape) == 3 and channels == 1 else array
    if kind == "u2":
        return Image.frombytes("I;16", (shape[1], shape[0]), pixels.astype("<u2").tobytes())
    return Image.fromarray(pixels)


def _refused(message: Phrase, field: str) -> InvalidImage:
    return InvalidImage(message, field=field, hint=_HINT)
