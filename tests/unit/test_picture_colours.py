"""Unusual, valid pictures keep what they show: other colours, depths, transparency and formats."""

import io
import struct
import zlib
from typing import Any

import pytest
from brushwork.inputs.picture_files import picture_bytes
from brushwork_core.media import pictures
from brushwork_core.media.icc_profile import Colours, built
from brushwork_schemas.errors import InvalidImage
from PIL import Image, ImageCms

from tests import heic_samples

SRGB = Colours()
SWAPPED = built(Colours(red=SRGB.blue, blue=SRGB.red))
DISPLAY_P3 = built(Colours.of_code_points(12, 13))
LINEAR = built(Colours(gamma=1.0))
# Of Adobe RGB (1998).
ADOBE_RGB = built(Colours((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), SRGB.white, 563 / 256))


def encoded(picture: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def with_chunks(picture: Image.Image, *chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    data = encoded(picture)
    return data[:33] + b"".join(chunks) + data[33:]


def colour(data: bytes, **options: Any) -> Any:
    return pictures.decode(data, **options).getpixel((1, 1))


def of_one(colour: Any, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (16, 16), colour)


@pytest.mark.parametrize(
    ("format_name", "options"),
    [
        ("PNG", {}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
)
def test_a_profile_that_exchanges_red_and_blue_is_obeyed(format_name: str, options: dict[str, Any]) -> None:
    data = encoded(of_one((255, 0, 0)), format_name, icc_profile=SWAPPED, **options)
    assert colour(data) == pytest.approx((0, 0, 255), abs=6)
    stored, _ = pictures.cleaned(data)
    assert (b"ICC" in stored, b"iCCP" in stored, colour(stored)) == (False, False, colour(data))


@pytest.mark.parametrize(
    ("profile", "given", "right"),
    [
        # By the formulas of the standards, clipped to sRGB.
        (DISPLAY_P3, (200, 100, 50), (215, 94, 32)),
        (DISPLAY_P3, (0, 255, 0), (0, 255, 0)),
        (ADOBE_RGB, (200, 100, 50), (229, 101, 43)),
        (LINEAR, (55, 55, 55), (128, 128, 128)),
        (built(SRGB), (12, 34, 56), (12, 34, 56)),
        (b"no profile", (12, 34, 56), (12, 34, 56)),
        (SWAPPED[:200], (12, 34, 56), (12, 34, 56)),
    ],
    ids=["P3", "P3 outside of sRGB", "Adobe RGB", "linear", "sRGB", "damaged", "cut off"],
)
def test_profiles(profile: bytes, given: tuple[int, ...], right: tuple[int, ...]) -> None:
    assert colour(encoded(of_one(given), icc_profile=profile)) == pytest.approx(right, abs=2)


def test_a_profile_for_other_colours_than_the_picture_has_is_ignored() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert colour(encoded(of_one((12, 34, 56)), icc_profile=lab)) == (12, 34, 56)


def test_greys_with_a_profile_of_rgb() -> None:
    assert colour(encoded(of_one(55, "L"), icc_profile=LINEAR)) == pytest.approx((128, 128, 128), abs=1)


def test_a_palette_and_transparency_with_a_profile() -> None:
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 8, 8))
    picture = pictures.decode(encoded(clear, icc_profile=SWAPPED))
    assert (picture.getpixel((1, 1)), picture.getpixel((15, 15))) == ((0, 0, 255), (255, 255, 255))
    palette = encoded(of_one((255, 0, 0)).convert("P"), icc_profile=SWAPPED)
    assert colour(palette) == (0, 0, 255)


def test_a_profile_of_more_than_a_megabyte() -> None:
    # As those of printers; Pillow alone takes no more in a PNG.
    long = SWAPPED + bytes(2_000_000)
    packed = chunk(b"iCCP", b"long\0\0" + zlib.compress(struct.pack(">I", len(long)) + long[4:]))
    assert colour(with_chunks(of_one((255, 0, 0)), packed)) == (0, 0, 255)


def gamma(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


CHROMATICITIES = chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 15000, 6000, 30000, 60000, 64000, 33000))


@pytest.mark.parametrize(
    ("chunks", "given", "right"),
    [
        ([gamma(100_000)], (55, 55, 55), (128, 128, 128)),
        ([gamma(45_455)], (55, 99, 11), (55, 99, 11)),
        ([gamma(100_000), chunk(b"sRGB", b"\0")], (55, 55, 55), (55, 55, 55)),
        ([gamma(0)], (55, 55, 55), (55, 55, 55)),
        ([CHROMATICITIES], (255, 0, 0), (0, 0, 255)),
        ([chunk(b"cICP", b"\x0c\x0d\0\1")], (200, 100, 50), (215, 94, 32)),
        ([chunk(b"cICP", b"\x01\x0d\0\1"), gamma(100_000)], (55, 55, 55), (55, 55, 55)),
        ([chunk(b"cICP", b"\x01\x08\0\1")], (55, 55, 55), (128, 128, 128)),
    ],
)
def test_colours_that_a_png_states_by_numbers(
    chunks: list[bytes], given: tuple[int, ...], right: tuple[int, ...]
) -> None:
    data = with_chunks(of_one(given), *chunks)
    assert colour(data) == pytest.approx(right, abs=2)
    assert colour(pictures.cleaned(data)[0]) == pytest.approx(right, abs=2)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_by_name(transfer: int, name: str) -> None:
    with pytest.raises(InvalidImage, match=name) as raised:
        colour(with_chunks(of_one((1, 2, 3)), chunk(b"cICP", bytes([9, transfer, 0, 1]))))
    assert "sRGB" in (raised.value.hint or "")


def of_words(mode: str, value: int) -> Image.Image:
    return Image.new(mode, (4, 4), value)


@pytest.mark.parametrize(
    ("picture", "right"),
    [
        (of_words("I", 30000), 116),
        (of_words("I;16", 30000), 116),
        (of_words("I;16B", 30000), 116),
        (of_words("I", 65535), 255),
        (of_words("I", 0), 0),
        (of_words("I;16", 200), 0),
        (Image.new("HSV", (4, 4), (0, 0, 77)), 77),
        (Image.new("LAB", (4, 4), (255, 128, 128)), 255),
        (Image.new("La", (4, 4), (0, 0)), 255),
        (Image.new("RGBa", (4, 4), (0, 0, 0, 0)), 255),
        (Image.new("PA", (4, 4)), 255),
        (Image.new("LA", (4, 4), (0, 0)), 255),
        (Image.new("1", (4, 4), 1), 255),
    ],
    ids=lambda each: each.mode if isinstance(each, Image.Image) else str(each),
)
def test_modes_of_pil_images(picture: Image.Image, right: int) -> None:
    assert colour(picture_bytes(picture, "image")) == pytest.approx((right,) * 3, abs=picture.mode == "LAB")


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("F", (4, 4), 0.5),
        Image.new("F", (4, 4), 200.0),
        of_words("I", 70_000),
        of_words("I", -1),
        # 8 bits or 16?
        of_words("I", 200),
    ],
)
def test_values_of_an_unknown_range_are_refused_with_the_range_that_is_taken(picture: Image.Image) -> None:
    with pytest.raises(InvalidImage, match=r"8 bits per channel \(0 to 255\) and 16 bits \(0 to 65535\)"):
        picture_bytes(picture, "image")
    with pytest.raises(InvalidImage, match="16 bits"):
        pictures.decode(encoded(picture, "TIFF"))


def test_files_of_16_bits() -> None:
    for format_name in ("PNG", "TIFF"):
        assert colour(encoded(of_words("I;16", 30000), format_name)) == (116, 116, 116)
    assert colour(encoded(of_words("I;16B", 30000), "TIFF")) == (116, 116, 116)


def test_a_pil_image_with_a_profile() -> None:
    picture = Image.open(io.BytesIO(encoded(of_one((255, 0, 0)), icc_profile=SWAPPED)))
    assert colour(picture_bytes(picture, "image")) == (0, 0, 255)


def raw_png(bits: int, colour_type: int, row: bytes, transparent: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", 4, 4, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress((b"\0" + row) * 4)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", transparent)
        + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        raw_png(16, 0, b"\x12\x34" * 4, b"\x12\x34"),
        raw_png(16, 2, b"\x12\x34\0\0\0\0" * 4, b"\x12\x34\0\0\0\0"),
        raw_png(2, 0, b"\x55", b"\0\1"),
        raw_png(1, 0, b"\0", b"\0\0"),
        raw_png(8, 0, bytes([7] * 4), b"\0\7"),
    ],
    ids=["16 bits grey", "16 bits RGB", "2 bits", "1 bit", "8 bits"],
)
def test_the_transparent_colour_of_a_png_of_any_depth(data: bytes) -> None:
    assert colour(data) == (255, 255, 255)


def strokes(mode: str) -> Image.Image:
    """White strokes on a transparent canvas that is white, too, where nobody sees it."""
    canvas = Image.new("RGBA", (16, 16), (255, 255, 255, 0))
    canvas.paste((255, 255, 255, 255), (0, 0, 8, 16))
    return canvas if mode == "RGBA" else canvas.convert(mode)


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_in_a_mask_is_black(format_name: str, mode: str) -> None:
    if (mode, format_name) in {("LA", "WEBP"), ("LA", "AVIF")}:
        mode = "RGBA"
    mask = pictures.decode(encoded(strokes(mode), format_name), background="black").convert("L")
    assert (mask.getpixel((2, 8)), mask.getpixel((13, 8))) == (255, 0)


def test_a_half_transparent_stroke_paints_half() -> None:
    data = encoded(Image.new("RGBA", (4, 4), (255, 255, 255, 128)))
    assert colour(data, background="black") == pytest.approx((128, 128, 128), abs=1)


def test_an_upload_keeps_transparency_and_hides_nothing_in_it() -> None:
    secret = Image.new("RGBA", (16, 16), (1, 2, 3, 0))
    secret.paste((9, 9, 9, 255), (0, 0, 8, 8))
    stored, _ = pictures.cleaned(encoded(secret), background=None)
    found = Image.open(io.BytesIO(stored))
    assert (found.mode, found.getpixel((1, 1)), found.getpixel((15, 15))) == (
        "RGBA", (9, 9, 9, 255), (255, 255, 255, 0),
    )  # fmt: skip


def test_heic() -> None:
    halves = pictures.decode(heic_samples.TWO_HALVES)
    assert halves.getpixel((3, 8)) == pytest.approx((255, 0, 0), abs=3)
    assert halves.getpixel((28, 8)) == pytest.approx((0, 0, 255), abs=3)
    assert pictures.cleaned(heic_samples.TWO_HALVES)[0].startswith(b"\x89PNG")
    assert pictures.decode(heic_samples.CLEAR_HALF).getpixel((28, 8)) == (255, 255, 255)
    assert pictures.decode(heic_samples.TURNED).size == (16, 32)


def test_without_the_package_for_heic_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brushwork_core.media.picture_formats._heif_reader", lambda: None)
    with pytest.raises(InvalidImage, match="pi-heif is not installed"):
        pictures.decode(heic_samples.TWO_HALVES)


def moving(format_name: str) -> bytes:
    frames = [of_one(each) for each in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    return encoded(frames[0], format_name, save_all=True, append_images=frames[1:])


ANIMATED = {name: moving(name) for name in ("PNG", "WEBP", "GIF", "TIFF", "AVIF")}
ANIMATED["HEIC"] = heic_samples.TWO_PICTURES


@pytest.mark.parametrize("format_name", ANIMATED)
def test_of_an_animated_picture_the_first_frame_is_taken_if_asked_for(format_name: str) -> None:
    data = ANIMATED[format_name]
    with pytest.raises(InvalidImage, match="several frames") as raised:
        pictures.decode(data)
    assert "first_frame=true" in (raised.value.hint or "")
    assert colour(data, first_frame=True) == pytest.approx((255, 0, 0), abs=9)
    stored, _ = pictures.cleaned(data, first_frame=True)
    assert colour(stored) == pytest.approx((255, 0, 0), abs=9)


def test_a_pil_image_that_was_moved_to_a_frame_is_that_frame() -> None:
    picture = Image.open(io.BytesIO(ANIMATED["GIF"]))
    with pytest.raises(InvalidImage, match="several frames"):
        picture_bytes(picture, "image")
    assert colour(picture_bytes(picture, "image", first_frame=True)) == (255, 0, 0)
    picture.seek(2)
    assert colour(picture_bytes(picture, "image")) == (0, 0, 255)
