"""Read the picture that a caller gives: a path, bytes, a data: URL, an open file, or pixels.

Only pixels need Pillow.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeGuard

from brushwork_schemas.artifact import (
    MAX_PICTURE_BYTES,
    Artifact,
    data_url_content,
    is_data_url,
    is_sha256,
)
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said

from brushwork.inputs.open_files import file_bytes, is_open_file
from brushwork.inputs.pixel_arrays import image_of, is_pixel_array

if TYPE_CHECKING:
    from PIL.Image import Image

_HINT = (
    "Give a path, bytes, an open file, a PIL image, a NumPy array, a data: URL, an artifact or an http(s) "
    "URL."
)


def sendable_picture(given: object, field: str = "image", *, first_frame: bool = False) -> str | bytes:
    """Return what to send to a gateway for a picture: the name of a stored file, a URL, or bytes.

    Args:
        given: A path, bytes, an open file, a data: URL, a PIL image, a NumPy array, an artifact or its name,
            or an http(s) URL.
        field: Name of the request's field, for error messages.
        first_frame: As for `picture_bytes`.

    Raises:
        InvalidImage: `given` is none of these, can't be read, or is too large. The gateway checks the rest.
    """
    if isinstance(given, Artifact):
        return given.sha256
    if isinstance(given, str) and (is_sha256(given) or is_url(given)):
        return given
    data = picture_bytes(given, field, first_frame=first_frame)
    if len(data) > MAX_PICTURE_BYTES:
        raise invalid_image(field, f"the file has more than {MAX_PICTURE_BYTES} bytes")
    return data


def stored_name(given: str) -> str:
    """Return the name of a stored file, where a URL cannot be used.

    Args:
        given: A name or a URL, as `sendable_picture` returns it.

    Raises:
        InvalidImage: It is a URL.
    """
    if is_sha256(given):
        return given
    raise InvalidImage(
        "file: the provenance of a URL can't be read.",
        field="file",
        hint="Download the file, and give its path or its bytes.",
    )


def picture_bytes(given: object, field: str, *, first_frame: bool = False) -> bytes:
    """Return the bytes of a picture file.

    Args:
        given: A path, bytes, an open file, a data: URL, or a PIL image or NumPy array, which is encoded as
            PNG.
        field: Name of the request's field, for error messages.
        first_frame: Whether the first frame of an animated PIL image is taken. If not, it is refused, unless
            the caller has moved it to another frame.

    Returns:
        Of a file that is larger than `MAX_PICTURE_BYTES`, one byte more than that.

    Raises:
        InvalidImage: `given` is none of these, or can't be read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str) and is_data_url(given):
        return _of_data_url(given, field)
    if isinstance(given, str | os.PathLike):
        return _read(given, field)
    if _is_pil_image(given):
        return _encoded(given, field, first_frame)
    if is_pixel_array(given):
        return _encoded(image_of(given, field), field, first_frame)
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
    return InvalidImage(said("{field}: {reason}.", field=field, reason=reason), field=field, hint=_HINT)


def _is_pil_image(given: object) -> "TypeGuard[Image]":
    # Whoever has a PIL image has loaded Pillow; all others need not.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(given, pillow.Image)


def _of_data_url(url: str, field: str) -> bytes:
    try:
        return data_url_content(url)
    except ValueError as error:
        raise invalid_image(field, error.args[0]) from None


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


def _encoded(picture: "Image", field: str, first_frame: bool) -> bytes:
    from brushwork_core.media import pictures

    try:
        if pictures.has_frames(picture) and picture.tell() == 0 and not first_frame:
            raise pictures.several_frames(field)
        # The format matters for the colours, but an image that was made from another one has none.
        plain = pictures.plain(picture, field=field, format_name=picture.format)
        return pictures.encode_png(plain, compress_level=1)
    except InvalidImage:
        raise
    # Pillow reads the pixels only here, and raises many types of error if the file is damaged.
    except Exception as error:
        raise invalid_image(field, f"the PIL image can't be used: {error}") from error
