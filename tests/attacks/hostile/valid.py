"""300 valid pictures of all formats and modes, up to 25 megapixels, and the pixels that they show."""

import io
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests import heic_samples

NUMBER = 300
_LOSSY = {"JPEG", "AVIF", "WEBP"}
# Every so many, a picture has the largest size.
_LARGE_EVERY, _LARGEST = 15, (5000, 5000)


@dataclass(frozen=True)
class Valid:
    """A valid picture.

    Args:
        name: Format, mode and number.
        data: Its file.
        shows: Returns the right pixels, in RGB.
    """

    name: str
    data: bytes
    shows: Callable[[], Image.Image]


_SORTS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("PNG", "RGB", {"compress_level": 1}),
    ("PNG", "RGBA", {"compress_level": 1}),
    ("PNG", "L", {}),
    ("PNG", "LA", {}),
    ("PNG", "P", {}),
    ("PNG", "1", {}),
    ("PNG", "I;16", {}),
    ("JPEG", "RGB", {"quality": 95, "subsampling": 0}),
    ("JPEG", "RGB", {"progressive": True, "optimize": True}),
    ("JPEG", "RGB", {"restart_marker_rows": 1}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("WEBP", "RGB", {"method": 0}),
    ("WEBP", "RGB", {"lossless": True, "method": 0}),
    ("WEBP", "RGBA", {"lossless": True, "exact": True, "method": 0}),
    ("AVIF", "RGB", {"speed": 10}),
    ("AVIF", "RGBA", {"speed": 10}),
    ("BMP", "RGB", {}),
    ("BMP", "L", {}),
    ("BMP", "P", {}),
    ("BMP", "1", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGBA", {"compression": "tiff_deflate"}),
    ("TIFF", "L", {"compression": "packbits"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "CMYK", {"compression": "tiff_lzw"}),
    ("TIFF", "I;16", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "LAB", {"compression": "raw"}),
    ("GIF", "P", {}),
    ("GIF", "L", {}),
)


def valid_pictures(number: int = NUMBER, seed: int = 18) -> Iterator[Valid]:
    """Yield pictures. Each is made when it is asked for."""
    yield from _heic()
    for index in range(number - 4):
        yield valid_picture(index, seed)


def valid_picture(index: int, seed: int = 18) -> Valid:
    """Return one of the pictures, apart from those in HEIC."""
    form, mode, options = _SORTS[index % len(_SORTS)]
    rng = random.Random(f"{seed} {index}")
    picture, data = _encoded(rng, form, mode, _size(rng, index), options)
    if len(data) > 25 * 2**20:
        # Uncompressed and large: the same at a size whose file may be sent.
        picture, data = _encoded(rng, form, mode, (2000, 1500), options)
    return Valid(f"{form} {mode} {index}", data, _shown_by(picture, data, form, options))


def _encoded(
    rng: random.Random, form: str, mode: str, size: tuple[int, int], options: Mapping[str, Any]
) -> tuple[Image.Image, bytes]:
    picture, buffer = _drawn(rng, mode, size), io.BytesIO()
    picture.save(buffer, form, **options)
    return picture, buffer.getvalue()


def _size(rng: random.Random, index: int) -> tuple[int, int]:
    if index % _LARGE_EVERY == 0:
        return _LARGEST
    return rng.choice([(1, 1), (17, 300), (300, 17), (512, 512), (1024, 768), (1920, 1080), (3000, 2000)])


def _drawn(rng: random.Random, mode: str, size: tuple[int, int]) -> Image.Image:
    """Random pixels, enlarged."""
    width, height = (max(1, min(each, 64)) for each in size)
    drawn_mode = {"1": "L", "P": "RGB", "I;16": "I;16"}.get(mode, mode)
    count = {"L": 1, "LA": 2, "RGB": 3, "LAB": 3, "RGBA": 4, "CMYK": 4, "I;16": 2}[drawn_mode]
    small = Image.frombytes(drawn_mode, (width, height), rng.randbytes(count * width * height))
    if mode == "P":
        small = small.quantize(64)
    elif mode == "1":
        small = small.convert("1", dither=Image.Dither.NONE)
    return small.resize(size, Image.Resampling.NEAREST)


def _shown_by(
    picture: Image.Image, data: bytes, form: str, options: Mapping[str, Any]
) -> Callable[[], Image.Image]:
    def shown() -> Image.Image:
        is_lossy = (form in _LOSSY and not options.get("lossless")) or options.get("compression") == "jpeg"
        # What Pillow reads; of a lossless file, what was written.
        right = Image.open(io.BytesIO(data)) if is_lossy or picture.mode == "LAB" else picture
        if right.mode.startswith("I"):
            return right.convert("I").point([value // 257 for value in range(65_536)], "L").convert("RGB")
        if right.mode == "LAB":
            return _of_lab(right)
        if right.has_transparency_data:
            return Image.alpha_composite(
                Image.new("RGBA", right.size, "white"), right.convert("RGBA")
            ).convert("RGB")
        return right.convert("RGB")

    return shown


def _of_lab(picture: Image.Image) -> Image.Image:
    from PIL import ImageCms

    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    transform = ImageCms.buildTransform(
        lab, srgb, "LAB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )
    found = ImageCms.applyTransform(picture, transform)
    assert found is not None
    return found


def _heic() -> Iterator[Valid]:
    for name in ("TWO_HALVES", "CLEAR_HALF", "TURNED", "TWO_HALVES"):
        data = getattr(heic_samples, name)
        yield Valid(f"HEIC {name.lower()}", data, lambda data=data: _of_heic(data))  # type: ignore[misc]


def _of_heic(data: bytes) -> Image.Image:
    from pi_heif import HeifImageFile
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(HeifImageFile(io.BytesIO(data)))
    canvas = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(canvas, picture.convert("RGBA")).convert("RGB")
