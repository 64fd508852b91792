"""Encode a picture with its marks. Pillow writes them, in all formats."""

import io
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.kinds.request import OutputFormat
from PIL import Image, PngImagePlugin

_QUALITY = {"jpeg": 90, "webp": 90, "avif": 80}
_XMP_KEYWORD = "XML:com.adobe.xmp"
# Where AUTOMATIC1111's web UI writes its parameters: a text of a PNG, and a comment of EXIF elsewhere.
PARAMETERS_KEYWORD = "parameters"
_EXIF_IFD, _USER_COMMENT, _UNICODE = 0x8769, 0x9286, b"UNICODE\0"
# A segment of a JPEG holds so many bytes, with the name of its content.
_LONGEST_SEGMENT = 65_533 - 64


@dataclass(frozen=True)
class FileForm:
    """How a file is written.

    Args:
        format: Its format.
        quality: 1 to 100, for all but PNG; None for the default of the format.
    """

    format: OutputFormat = "png"
    quality: int | None = None

    @property
    def media_type(self) -> str:
        """The media type of the file."""
        return f"image/{self.format}"


PNG = FileForm()


def encoded(picture: Image.Image, form: FileForm, xmp: bytes | None = None, text: str | None = None) -> bytes:
    """Return the file of a picture. Equal arguments give equal bytes.

    Args:
        picture: The pixels. Transparent parts become white in a JPEG.
        form: How the file is written.
        xmp: An XMP packet.
        text: Parameters as text.

    Raises:
        MarksTooLong: The file is a JPEG, and a mark is too long for one.
    """
    options = _png_options(xmp, text) if form.format == "png" else _other_options(form, xmp, text)
    plain = picture if form.format == "png" else _plain(picture, form.format)
    buffer = io.BytesIO()
    plain.save(buffer, form.format.upper(), **options)
    return buffer.getvalue()


class MarksTooLong(ValueError):
    """A JPEG has no room for marks of this length."""


def _png_options(xmp: bytes | None, text: str | None) -> dict[str, Any]:
    chunks = PngImagePlugin.PngInfo()
    if xmp is not None:
        chunks.add_itxt(_XMP_KEYWORD, xmp.decode())
    if text is not None:
        chunks.add_text(PARAMETERS_KEYWORD, text)
    return {"pnginfo": chunks, "compress_level": 6}


def _other_options(form: FileForm, xmp: bytes | None, text: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"quality": form.quality or _QUALITY[form.format]}
    if xmp is not None:
        options["xmp"] = xmp
    if text is not None:
        exif = Image.Exif()
        exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = _UNICODE + text.encode("utf-16-be")
        options["exif"] = exif.tobytes()
    if form.format == "jpeg" and any(
        len(options.get(name, b"")) > _LONGEST_SEGMENT for name in ("xmp", "exif")
    ):
        raise MarksTooLong("a segment of a JPEG has no room for this mark")
    return options


def _plain(picture: Image.Image, format_name: str) -> Image.Image:
    if not picture.has_transparency_data:
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    with_alpha = picture.convert("RGBA")
    if format_name != "jpeg":
        return with_alpha
    canvas = Image.new("RGBA", picture.size, "white")
    canvas.alpha_composite(with_alpha)
    return canvas.convert("RGB")
