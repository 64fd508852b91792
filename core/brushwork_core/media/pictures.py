"""Untrusted pictures: decoded under limits, as sRGB of 8 bits, upright and stripped of metadata.

Every way in leads here: files, bytes, PIL images, arrays, `data:` URLs, addresses, uploads and messages.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from brushwork_schemas.artifact import MAX_PICTURE_BYTES, STORED_FORMATS
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said
from PIL import Image, ImageOps, UnidentifiedImageError

from brushwork_core.media.picture_formats import NAMES, opened
from brushwork_core.media.picture_metadata import is_plain
from brushwork_core.media.picture_structure import MAX_PIXELS, LeanFile, TooCostly, lean
from brushwork_core.media.srgb import in_8_bits, in_srgb, profile_of
from brushwork_core.media.structure import exif

# What transparent parts become.
Background = Literal["white", "black"]
MAX_BYTES = MAX_PICTURE_BYTES
# 25 megapixels as PNG, in any case.
MAX_STORED_BYTES = 128 * 2**20
HINT = f"Send a {NAMES} with one frame and at most {MAX_PIXELS // 1_000_000} megapixels."
FRAMES_HINT = "Send first_frame=true to take the first frame, or send a picture with one frame."


@dataclass(frozen=True)
class Reading:
    """How a picture is read.

    Args:
        field: Field of the request, for error messages.
        background: What transparent parts become: `black` for a mask, where black means that nothing is
            painted, and `white` for all others. None to keep transparency.
        first_frame: Whether the first frame of an animated picture is taken. If not, it is refused.
        max_bytes: Most bytes of the file. A picture of the store may have more than one that callers send,
            because it may have been encoded again.
    """

    field: str = "image"
    background: Background | None = "white"
    first_frame: bool = False
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class ReadPicture:
    """A picture that was read.

    Args:
        picture: Its pixels.
        data: Its file.
        stays: Whether the file can be stored as it is.
    """

    picture: Image.Image
    data: bytes
    stays: bool

    @property
    def file(self) -> bytes:
        """The file to store: as it was, or as a new PNG."""
        return self.data if self.stays else encode_png(self.picture)


def read(data: bytes, reading: Reading, on_pixels: Callable[[int], None] | None = None) -> ReadPicture:
    """Read a picture as `decode` and `cleaned` do.

    Args:
        data: A complete file of a picture.
        reading: How it is read.
        on_pixels: Called with the number of pixels, before they are decoded.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit.
    """
    picture, stays = _read(data, reading, on_pixels)
    return ReadPicture(picture, data, stays)


def decode(
    data: bytes, *, field: str = "image", background: Background | None = "white", first_frame: bool = False
) -> Image.Image:
    """Decode a picture as RGB in sRGB, upright, without metadata, and with transparency on a background.

    Args:
        data: A complete file of a picture.
        field: Field of the request, for error messages.
        background: As in `Reading`. With None, a picture with transparency is returned as RGBA.
        first_frame: As in `Reading`.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit. Limits are checked before pixels are
            decoded.
    """
    return read(data, Reading(field, background, first_frame)).picture


def cleaned(
    data: bytes, *, field: str = "image", background: Background | None = "white", first_frame: bool = False
) -> tuple[bytes, Image.Image]:
    """Return the file to store for an untrusted picture, and the decoded picture.

    A PNG, JPEG or WebP that holds only pixels, in sRGB, is kept. Any other file is encoded again as PNG: one
    with metadata (a place, a camera), an orientation, transparency, other colours or hidden data.

    Args:
        data: As for `decode`.
        field: As for `decode`.
        background: As for `decode`.
        first_frame: As for `decode`.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit.
    """
    found = read(data, Reading(field, background, first_frame))
    return found.file, found.picture


def plain(
    picture: Image.Image, *, field: str = "image", data: bytes = b"", format_name: str | None = None
) -> Image.Image:
    """Return a picture as RGB, or RGBA if it has transparency: upright, in sRGB of 8 bits, without metadata.

    Args:
        picture: A picture of any mode of Pillow.
        field: Field of the request, for error messages.
        data: The file it was read from, if there is one.
        format_name: Pillow's name of the file's format.

    Raises:
        InvalidImage: Its values have another range than 8 or 16 bits, or it is HDR.
    """
    profile = profile_of(picture.info, data, format_name, field)
    turned = in_8_bits(upright(picture), field)
    if turned.mode == "La":
        turned = turned.convert("LA")
    alpha = None
    if turned.has_transparency_data:
        turned = turned.convert("RGBA")
        alpha = turned.getchannel("A")
        turned = turned.convert("RGB")
    colours = in_srgb(turned, profile)
    colours.info.clear()
    return colours if alpha is None else _with_alpha(colours, alpha)


def flattened(picture: Image.Image, background: Background) -> Image.Image:
    """Return a picture as RGB, with its transparent parts on a background."""
    if picture.mode != "RGBA":
        return picture if picture.mode == "RGB" else picture.convert("RGB")
    canvas = Image.new("RGBA", picture.size, background)
    canvas.alpha_composite(picture)
    return canvas.convert("RGB")


def upright(picture: Image.Image) -> Image.Image:
    """Return the picture rotated by its EXIF orientation; unchanged if the EXIF data cannot be read."""
    try:
        return ImageOps.exif_transpose(picture)
    # Some cameras and programs write broken EXIF data, while the picture itself is valid.
    except Exception:
        return picture


def has_frames(picture: Image.Image) -> bool:
    """Return whether a picture has several frames or pages."""
    # A JPEG of a phone may hold a second picture (depth or brightness) after the visible one.
    return picture.format != "MPO" and bool(getattr(picture, "is_animated", False))


def several_frames(field: str) -> InvalidImage:
    """Return the error for a picture with several frames, of which none was asked for."""
    return InvalidImage(
        said("{field}: the picture has several frames.", field=field), field=field, hint=FRAMES_HINT
    )


def encode_png(picture: Image.Image, *, compress_level: int = 6) -> bytes:
    """Encode a picture as PNG without metadata. The same pixels give the same bytes.

    Args:
        picture: A picture without `info`, or one whose `info` may be stored.
        compress_level: 0 to 9, as in zlib.
    """
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=compress_level)
    return buffer.getvalue()


def encode_small_jpeg(picture: Image.Image, side: int) -> bytes:
    """Encode a picture as JPEG without metadata, scaled down to at most `side` pixels per side."""
    small = picture.convert("RGB")
    small.thumbnail((side, side))
    plain_copy = Image.new("RGB", small.size)
    plain_copy.paste(small)
    buffer = io.BytesIO()
    plain_copy.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def encode_thumbnail(data: bytes, side: int, *, quality: int = 82) -> bytes:
    """Encode a stored picture as a WebP without metadata, scaled down to at most `side` pixels per side.

    Args:
        data: A PNG, JPEG, WebP or AVIF.
        side: In pixels.
        quality: 0 to 100.
    """
    with Image.open(io.BytesIO(data), formats=STORED_FORMATS) as picture:
        # The values of a mask are classes: a value between two of them would be a third class.
        resampling = Image.Resampling.NEAREST if picture.mode == "P" else Image.Resampling.LANCZOS
        # Pillow decodes a JPEG at half or a quarter of its size if that is enough.
        picture.draft(None, (side * 2, side * 2))
        picture.thumbnail((side, side), resampling)
        buffer = io.BytesIO()
        picture.convert("RGBA" if "A" in picture.getbands() else "RGB").save(buffer, "WEBP", quality=quality)
        return buffer.getvalue()


def _read(data: bytes, reading: Reading, on_pixels: Callable[[int], None] | None) -> tuple[Image.Image, bool]:
    """The picture, and whether its file can be stored as it is."""
    field = reading.field
    if len(data) > reading.max_bytes:
        raise _invalid(field, said("the file has more than {max_bytes} bytes", max_bytes=reading.max_bytes))
    try:
        return _opened(lean(data, first_frame=reading.first_frame), data, reading, on_pixels)
    # Too little memory says nothing about the picture. Where memory is limited, the caller of this decides.
    except (InvalidImage, MemoryError):
        raise
    except TooCostly as error:
        raise _invalid(field, error.reason) from error
    # For smaller decompression bombs Pillow only warns, and a program may turn warnings into errors.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _invalid(
            field, said("the picture has more than {max_pixels} pixels", max_pixels=MAX_PIXELS)
        ) from error
    except UnidentifiedImageError as error:
        raise _invalid(field, "not a readable picture") from error
    # Pillow's decoders raise errors of many types for damaged files. For the caller, they mean the same.
    except Exception as error:
        raise _invalid(field, said("the picture is damaged: {error}", error=error)) from error


def _opened(
    file: LeanFile, data: bytes, reading: Reading, on_pixels: Callable[[int], None] | None
) -> tuple[Image.Image, bool]:
    with opened(file.data, reading.field) as found:
        _check_size(found, reading)
        if on_pixels is not None:
            on_pixels(found.width * found.height)
        if found.format == "PNG":
            _correct(found, file)
        _keep_orientation(found)
        is_known = found.mode in ("RGB", "L") and is_plain(data)
        profile = profile_of(found.info, file.data, found.format, reading.field)
        found.load()
        picture = plain(found, field=reading.field, data=file.data, format_name=found.format)
    if reading.background is not None:
        picture = flattened(picture, reading.background)
    return picture, is_known and profile is None


def _correct(found: Image.Image, file: LeanFile) -> None:
    """Put what was read from the chunks of a PNG into its `info`."""
    if file.icc_profile:
        found.info["icc_profile"] = file.icc_profile
    if file.cicp:
        found.info["cicp"] = file.cicp
    if file.transparent is not None and "transparency" in found.info:
        found.info["transparency"] = file.transparent


def _keep_orientation(found: Image.Image) -> None:
    """Leave nothing of EXIF data but the orientation: Pillow would read all of it."""
    if isinstance(data := found.info.get("exif"), bytes):
        found.info["exif"] = exif.minimal(exif.orientation(data))


def _check_size(found: Image.Image, reading: Reading) -> None:
    width, height = found.size
    if width * height > MAX_PIXELS:
        raise _invalid(
            reading.field,
            said(
                "{width} x {height} pixels exceed the limit of {max_pixels}",
                width=width,
                height=height,
                max_pixels=MAX_PIXELS,
            ),
        )
    if has_frames(found) and not reading.first_frame:
        raise several_frames(reading.field)


def _with_alpha(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    # Nobody sees the colours of what is fully transparent, so they may hide something.
    colours.paste("white", mask=alpha.point(lambda value: 255 if value == 0 else 0))
    colours.putalpha(alpha)
    return colours


def _invalid(field: str, reason: str) -> InvalidImage:
    return InvalidImage(said("{field}: {reason}.", field=field, reason=reason), field=field, hint=HINT)
