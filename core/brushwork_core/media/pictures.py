"""Untrusted pictures: decoded under limits of bytes, format, frames and pixels, and stripped of metadata."""

import io

from brushwork_schemas.artifact import MAX_PICTURE_BYTES
from brushwork_schemas.errors import InvalidImage
from PIL import Image, ImageOps, UnidentifiedImageError

from brushwork_core.media.picture_metadata import is_plain

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = MAX_PICTURE_BYTES
MAX_PIXELS = 25_000_000
_HINT = f"Send a PNG, JPEG or WebP with one frame and at most {MAX_PIXELS // 1_000_000} megapixels."


def decode(data: bytes, *, field: str = "image") -> Image.Image:
    """Decode a picture as RGB, upright, without metadata, and with transparency on white.

    Args:
        data: A complete PNG, JPEG or WebP file.
        field: Field of the request, for error messages.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit. Limits are checked before pixels are
            decoded.
    """
    if len(data) > MAX_BYTES:
        raise InvalidImage(
            f"{field}: the file has more than {MAX_BYTES} bytes.",
            field=field,
            hint=_HINT,
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            _check_size(opened, field)
            opened.load()
            return _plain(upright(opened))
    except InvalidImage:
        raise
    # For smaller decompression bombs Pillow only warns, and a program may turn warnings into errors.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImage(
            f"{field}: the picture has more than {MAX_PIXELS} pixels.", field=field, hint=_HINT
        ) from error
    except UnidentifiedImageError as error:
        raise InvalidImage(f"{field}: not a readable picture.", field=field, hint=_HINT) from error
    # Pillow's decoders raise errors of many types for damaged files. For the caller, they mean the same.
    except Exception as error:
        raise InvalidImage(f"{field}: the picture is damaged: {error}.", field=field, hint=_HINT) from error


def cleaned(data: bytes, *, field: str = "image") -> tuple[bytes, Image.Image]:
    """Return the file to store for an untrusted picture, and the decoded picture.

    A file that holds only pixels is kept. A file with metadata (a place, a camera), an orientation,
    transparency or hidden data is encoded again as PNG.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit.
    """
    picture = decode(data, field=field)
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        stays = opened.mode in ("RGB", "L") and is_plain(data)
    return (data if stays else encode_png(picture)), picture


def upright(picture: Image.Image) -> Image.Image:
    """Return the picture rotated by its EXIF orientation; unchanged if the EXIF data cannot be read."""
    try:
        return ImageOps.exif_transpose(picture)
    # Some cameras and programs write broken EXIF data, while the picture itself is valid.
    except Exception:
        return picture


def encode_png(picture: Image.Image) -> bytes:
    """Encode a picture as PNG without metadata. The same pixels give the same bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def encode_small_jpeg(picture: Image.Image, side: int) -> bytes:
    """Encode a picture as JPEG without metadata, scaled down to at most `side` pixels per side."""
    small = picture.convert("RGB")
    small.thumbnail((side, side))
    plain = Image.new("RGB", small.size)
    plain.paste(small)
    buffer = io.BytesIO()
    plain.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _check_size(opened: Image.Image, field: str) -> None:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise InvalidImage(
            f"{field}: {width} x {height} pixels exceed the limit of {MAX_PIXELS}.",
            field=field,
            hint=_HINT,
        )
    # A JPEG of a phone may hold a second picture (depth or brightness) after the visible one.
    if opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1:
        raise InvalidImage(f"{field}: the picture has several frames.", field=field, hint=_HINT)


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # 16 bits per pixel. Pillow would clip all values above 255 to white.
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if picture.has_transparency_data:
        canvas = Image.new("RGBA", picture.size, "white")
        canvas.alpha_composite(picture.convert("RGBA"))
        picture = canvas
    plain = picture.convert("RGB")
    plain.info.clear()
    return plain
