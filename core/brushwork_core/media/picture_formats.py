"""The formats of pictures that are read, and the names of their media types.

Pillow reads all but HEIC, which the package pi-heif reads. It is pillow-heif without the encoder x265, so
nothing here is under the GPL: its wheels contain libheif and libde265, both under the LGPL. A program that
has only pillow-heif is served as well.
"""

import io
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import cast

from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said
from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "GIF")
NAMES = "PNG, JPEG, WebP, AVIF, HEIC, BMP, TIFF or GIF"
# Endings of file names, by media type.
ENDINGS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/heic": "heic",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/gif": "gif",
}
# Other names of these types, from registries, old browsers and Windows.
ALIASES = {
    "image/apng": "image/png",
    "image/vnd.mozilla.apng": "image/png",
    "image/x-png": "image/png",
    "image/jpg": "image/jpeg",
    "image/jpe": "image/jpeg",
    "image/jfif": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/pjpg": "image/jpeg",
    "image/x-jpeg": "image/jpeg",
    "image/x-jpg": "image/jpeg",
    "image/x-citrix-jpeg": "image/jpeg",
    "image/x-citrix-png": "image/png",
    "image/x-webp": "image/webp",
    "image/avif-sequence": "image/avif",
    "image/heif": "image/heic",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heic",
    "image/x-heic": "image/heic",
    "image/x-heif": "image/heic",
    "image/x-bmp": "image/bmp",
    "image/x-ms-bmp": "image/bmp",
    "image/x-windows-bmp": "image/bmp",
    "image/x-win-bitmap": "image/bmp",
    "image/tif": "image/tiff",
    "image/x-tif": "image/tiff",
    "image/x-tiff": "image/tiff",
    "image/x-gif": "image/gif",
}
# Brands of the first box. `mif1` and `msf1` may also begin an AVIF.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_SHARED_BRANDS = {b"mif1", b"msf1", b"miaf"}
_LONGEST_BRANDS = 256
_READERS = ("pi_heif", "pillow_heif")


def is_picture_type(media_type: str) -> bool:
    """Return whether a media type, in lower case and without parameters, names one of the formats."""
    return media_type in ENDINGS or media_type in ALIASES


def opened(data: bytes, field: str) -> Image.Image:
    """Open a picture. Its pixels are not decoded yet.

    Args:
        data: The file.
        field: Field of the request, for error messages.

    Raises:
        PIL.UnidentifiedImageError: The file has none of the formats.
        InvalidImage: The file is a HEIC, and the package that reads HEIC is not installed.
    """
    if not _is_heif(data):
        return Image.open(io.BytesIO(data), formats=FORMATS)
    if (reader := _heif_reader()) is None:
        raise InvalidImage(
            said(
                "{field}: HEIC pictures cannot be read here, because pi-heif is not installed.", field=field
            ),
            field=field,
            hint="Send the picture as a JPEG or PNG, or install pi-heif where brushwork runs.",
        )
    # Opened directly. To register it with Pillow would change what the caller's own program opens.
    return reader(io.BytesIO(data))


def _is_heif(data: bytes) -> bool:
    if data[4:8] != b"ftyp":
        return False
    if data[8:12] in _HEIF_BRANDS:
        return True
    brands = data[16 : min(int.from_bytes(data[:4]), _LONGEST_BRANDS)]
    others = {brands[start : start + 4] for start in range(0, len(brands), 4)}
    return data[8:12] in _SHARED_BRANDS and bool(others & _HEIF_BRANDS) and not others & {b"avif", b"avis"}


@cache
def _heif_reader() -> Callable[[io.BytesIO], Image.Image] | None:
    for name in _READERS:
        try:
            return cast("Callable[[io.BytesIO], Image.Image]", import_module(name).HeifImageFile)
        except ImportError:
            continue
    return None
