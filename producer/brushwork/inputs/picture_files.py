"""Read the picture that a caller gives: a path, bytes, an open file, or pixels. Only pixels need Pillow."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeGuard

from brushwork_schemas.artifact import MAX_PICTURE_BYTES, Artifact, is_sha256
from brushwork_schemas.errors import InvalidImage

from brushwork.inputs.open_files import file_bytes, is_open_file
from brushwork.inputs.pixel_arrays import image_of, is_pixel_array

if TYPE_CHECKING:
    from PIL.Image import Image

_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_HINT = "Give a path, bytes, an open file, a PIL image, a NumPy array, an artifact or an http(s) URL."


def sendable_picture(given: object, field: str = "image") -> str | bytes:
    """Return what to send to a gateway for a picture: the name of a stored file, a URL, or bytes.

    Args:
        given: A path, bytes, an open file, a PIL image, a NumPy array, an artifact or its name, or an
            http(s) URL.
        field: Name of the request's field, for error messages.

    Raises:
        InvalidImage: `given` is none of these, can't be read, or is too large. The gateway checks the rest.
    """
    if isinstance(given, Artifact):
        return given.sha256
    if isinstance(given, str) and (is_sha256(given) or is_url(given)):
        return given
    data = picture_bytes(given, field)
    if len(data) > MAX_PICTURE_BYTES:
        raise invalid_image(field, f"the file has more than {MAX_PICTURE_BYTES} bytes")
    return data


def picture_bytes(given: object, field: str) -> bytes:
    """Return the bytes of a picture file.

    Args:
        given: A path, bytes, an open file, or a PIL image or NumPy array, which is encoded as PNG.
        field: Name of the request's field, for error messages.

    Returns:
        Of a file that is larger than `MAX_PICTURE_BYTES`, one byte more than that.

    Raises:
        InvalidImage: `given` is none of these, or can't be read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str | os.PathLike):
        return _read(given, field)
    if _is_pil_image(given):
        return _encoded(given, field)
    if is_pixel_array(given):
        return _encoded(image_of(given, field), field)
    if is_open_file(given):
        return _read_open(given, field)
    raise invalid_image(field, f"a {type(given).__name__} is not a picture")


def is_url(given: str) -> bool:
    """Return whether `given` is an http(s) URL, not a path."""
    return given[:8].lower().startswith(("http://", "https://"))


def invalid_image(field: str, reason: str) -> InvalidImage:
    """Return the error for a picture that can't be used.

    Args:
        field: Name of the request's field.
        reason: What is wrong, without a full stop.
    """
    return InvalidImage(f"{field}: {reason}.", field=field, hint=_HINT)


def _is_pil_image(given: object) -> "TypeGuard[Image]":
    # Whoever has a PIL image has loaded Pillow; all others need not.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(given, pillow.Image)


def _read_open(file: BinaryIO, field: str) -> bytes:
    try:
        return file_bytes(file, MAX_PICTURE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise invalid_image(field, f"the open file can't be read: {error}") from error


def _read(given: str | os.PathLike[str], field: str) -> bytes:
    shown = repr(str(given)[:200])
    try:
        path = Path(given)
        if not path.is_file() and path.exists():
            raise invalid_image(field, f"{shown} is not a regular file")
        with path.open("rb") as file:
            # One byte more than allowed shows that the file is too large.
            return file.read(MAX_PICTURE_BYTES + 1)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise invalid_image(field, f"{shown} can't be read: {reason}") from error


def _encoded(picture: "Image", field: str) -> bytes:
    from brushwork_core.media.pictures import upright

    try:
        # PNG can't hold CMYK, HSV and the like. The modes that it can hold are converted later, on cleaning.
        turned = upright(picture)
        kept = turned if turned.mode in _PNG_MODES else turned.convert("RGB")
        buffer = io.BytesIO()
        kept.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()
    # Pillow reads the pixels only here, and raises many types of error if the file is damaged.
    except Exception as error:
        raise invalid_image(field, f"the PIL image can't be used: {error}") from error
