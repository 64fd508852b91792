"""Pictures from outside: decoded only under limits on bytes, format, frames and pixels, then made plain."""

import io

from brushwork_schemas.artifact import MAX_PICTURE_BYTES
from brushwork_schemas.errors import InvalidImage
from PIL import Image, ImageOps, UnidentifiedImageError

from brushwork_core.media.picture_metadata import is_plain

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = MAX_PICTURE_BYTES
MAX_PIXELS = 25_000_000
_HINT = f"Send PNG, JPEG or WebP of one frame, at most {MAX_PIXELS // 1_000_000} megapixels."


def decode(data: bytes, *, field: str = "image") -> Image.Image:
    """The picture in `data` as RGB, turned upright, without its metadata; transparency laid on white.

    Args:
        data: A whole PNG, JPEG or WebP file.
        field: The request's field that an error names.

    Raises:
        InvalidImage: It can't be read, or breaks a limit. The limits are checked before pixels are decoded.
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
    # Pillow only warns of the smaller bombs, and a program may have made its warnings errors.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InvalidImage(
            f"{field}: the picture has more than {MAX_PIXELS} pixels.", field=field, hint=_HINT
        ) from error
    except UnidentifiedImageError as error:
        raise InvalidImage(
            f"{field}: this is no picture that can be read.", field=field, hint=_HINT
        ) from error
    # Pillow's decoders raise many types on damaged files; each means the same to the caller.
    except Exception as error:
        raise InvalidImage(f"{field}: the picture is damaged: {error}.", field=field, hint=_HINT) from error


def cleaned(data: bytes, *, field: str = "image") -> tuple[bytes, Image.Image]:
    """The file to store for a picture from outside, and the picture.

    A file that holds the picture and nothing else stays as it is; one with metadata (a place, a camera),
    an orientation, transparency or anything hidden in it is written anew as PNG.

    Raises:
        InvalidImage: As `decode`.
    """
    picture = decode(data, field=field)
    with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
        stays = opened.mode in ("RGB", "L") and is_plain(data)
    return (data if stays else encode_png(picture)), picture


def upright(picture: Image.Image) -> Image.Image:
    """`picture` turned as its EXIF data asks; as it is where those can't be read."""
    try:
        return ImageOps.exif_transpose(picture)
    # Cameras and programs write broken EXIF data; the picture itself is good.
    except Exception:
        return picture


def encode_png(picture: Image.Image) -> bytes:
    """`picture` as a PNG file without metadata; the same pixels give the same bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def encode_small_jpeg(picture: Image.Image, side: int) -> bytes:
    """`picture` as a JPEG file without metadata, made smaller where it is larger than `side` pixels."""
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
            f"{field}: {width} x {height} pixels are more than {MAX_PIXELS}.",
            field=field,
            hint=_HINT,
        )
    # A telephone's JPEG may hold a second picture (depth, brightness) behind the one that it shows.
    if opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1:
        raise InvalidImage(f"{field}: the picture has several frames.", field=field, hint=_HINT)


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # 16 bits a pixel; Pillow would clip all above 255 to white.
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if picture.has_transparency_data:
        canvas = Image.new("RGBA", picture.size, "white")
        canvas.alpha_composite(picture.convert("RGBA"))
        picture = canvas
    plain = picture.convert("RGB")
    plain.info.clear()
    return plain
