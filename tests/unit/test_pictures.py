"""Pictures from outside: hostile ones refused, harmless ones made plain, private words left behind."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from brushwork_core.media import pictures
from brushwork_schemas.errors import InvalidImage
from PIL import Image, PngImagePlugin

RED = (255, 0, 0)


def encoded(picture: Image.Image, format_name: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def gradient(size: tuple[int, int] = (32, 16)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert("RGB")


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(width: int, height: int) -> bytes:
    """A small PNG of many pixels."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + width // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")
    )  # fmt: skip


def refused(data: bytes) -> InvalidImage:
    with pytest.raises(InvalidImage) as raised:
        pictures.decode(data, field="image")
    assert (raised.value.field, raised.value.message.startswith("image: ")) == ("image", True)
    assert raised.value.hint
    return raised.value


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "GIF"])
def test_each_format_is_read(format_name: str) -> None:
    picture = pictures.decode(encoded(gradient(), format_name, quality=100))
    assert (picture.mode, picture.size) == ("RGB", (32, 16))
    assert picture.getpixel((16, 15)) == pytest.approx((248, 248, 248), abs=12)


@pytest.mark.parametrize("format_name", ["EPS", "PDF", "ICO", "PPM", "TGA", "SGI", "PCX", "JPEG2000"])
def test_no_other_format_is_read_whatever_its_file_is_called(format_name: str) -> None:
    assert "not a readable picture" in refused(encoded(gradient(), format_name)).message


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"<svg/>", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"x" * 999]
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "WEBP"])
def test_a_cut_off_picture_is_refused(format_name: str) -> None:
    whole = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), format_name)
    for share in (0.3, 0.6, 0.9):
        refused(whole[: int(len(whole) * share)])


def test_a_damaged_picture_is_refused() -> None:
    whole = bytearray(encoded(gradient()))
    position = whole.index(b"IDAT") + 10
    whole[position : position + 8] = b"\xaa" * 8
    assert "damaged" in refused(bytes(whole)).message


@pytest.mark.parametrize(("width", "height"), [(9000, 9000), (40000, 20000), (5001, 5000)])
def test_too_many_pixels_are_refused_even_where_warnings_are_errors(width: int, height: int) -> None:
    assert "25000000" in refused(bomb(width, height)).message


def test_as_many_pixels_as_are_allowed_are_read() -> None:
    assert pictures.decode(bomb(5000, 5000)).size == (5000, 5000)


def test_a_bomb_is_refused_before_its_pixels_are_decoded() -> None:
    data = bomb(9000, 9000)
    assert len(data) < 15_000
    program = (
        "import resource, sys\n"
        "from brushwork_core.media import pictures\n"
        "from brushwork_schemas.errors import InvalidImage\n"
        "data = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    pictures.decode(data)\n"
        "except InvalidImage:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    # 81 megapixels would take 80 MB at one byte each; ru_maxrss counts kilobytes, on macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(ran.stdout) * unit < 10_000_000


def test_too_many_bytes_are_refused() -> None:
    data = encoded(gradient()) + b"\0" * pictures.MAX_BYTES
    assert str(pictures.MAX_BYTES) in refused(data).message


@pytest.mark.parametrize("format_name", ["PNG", "WEBP"])
def test_several_frames_are_refused(format_name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    moving = encoded(frames[0], format_name, save_all=True, append_images=frames[1:])
    assert "several frames" in refused(moving).message


def test_the_first_picture_of_a_telephone_s_jpeg_is_read() -> None:
    frames = [Image.new("RGB", (8, 8), "red"), Image.new("RGB", (4, 4), "blue")]
    both = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    data, picture = pictures.cleaned(both)
    assert picture.size == (8, 8)
    assert picture.getpixel((4, 4)) == pytest.approx(RED, abs=3)
    assert data == pictures.encode_png(picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(orientation: int) -> None:
    upright = Image.new("RGB", (32, 16), "white")
    upright.paste(RED, (0, 0, 8, 8))
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(turns[orientation]) if orientation in turns else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = pictures.decode(encoded(stored, "JPEG", exif=exif, quality=100))
    assert picture.size == (32, 16)
    assert picture.getpixel((3, 3)) == pytest.approx(RED, abs=40)
    assert picture.getpixel((28, 12)) == pytest.approx((255, 255, 255), abs=40)


def test_broken_exif_data_do_not_cost_the_picture() -> None:
    data = encoded(gradient(), "JPEG", exif=b"Exif\0\0garbage that is no TIFF")
    assert pictures.decode(data).size == (32, 16)


def with_comment() -> bytes:
    return encoded(gradient(), "JPEG", comment=b"SECRET")


def with_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "SECRET")
    return encoded(gradient(), pnginfo=text)


def with_text_after_the_pixels() -> bytes:
    data = encoded(gradient())
    return data[:-12] + png_chunk(b"tEXt", b"Author\0SECRET") + data[-12:]


def with_private_chunk() -> bytes:
    data = encoded(gradient())
    return data[:33] + png_chunk(b"prVt", b"SECRET") + data[33:]


def with_exif(format_name: str) -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SECRET"
    return encoded(gradient(), format_name, exif=exif)


def with_application_segment() -> bytes:
    data = encoded(gradient(), "JPEG")
    return data[:2] + b"\xff\xeb\x00\x08SECRET" + data[2:]


def with_thumbnail() -> bytes:
    data = encoded(gradient(), "JPEG")
    return data[:2] + b"\xff\xe0\x00\x16JFIF\0\x01\x01\0\0\x01\0\x01\x01\x02SECRET" + data[20:]


def with_note_between_scans() -> bytes:
    data = encoded(gradient((64, 64)), "JPEG", progressive=True)
    second_scan = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    return data[:second_scan] + b"\xff\xfe\x00\x08SECRET" + data[second_scan:]


PRIVATE: dict[str, Callable[[], bytes]] = {
    "jpeg comment": with_comment,
    "png text": with_text,
    "png text after the pixels": with_text_after_the_pixels,
    "png private chunk": with_private_chunk,
    "png exif": lambda: with_exif("PNG"),
    "jpeg exif": lambda: with_exif("JPEG"),
    "webp exif": lambda: with_exif("WEBP"),
    "jpeg xmp": lambda: encoded(gradient(), "JPEG", xmp=b"<x>SECRET</x>"),
    "jpeg unknown segment": with_application_segment,
    "jpeg thumbnail": with_thumbnail,
    "jpeg comment between scans": with_note_between_scans,
    "png with more behind it": lambda: encoded(gradient()) + b"SECRET",
    "jpeg with more behind it": lambda: encoded(gradient(), "JPEG") + b"SECRET",
    "jpeg with another behind it": lambda: encoded(gradient(), "JPEG") + b"SECRET\xff\xd9",
    "webp with more behind it": lambda: encoded(gradient(), "WEBP") + b"SECRET",
    "icc profile": lambda: encoded(gradient(), "JPEG", icc_profile=b"SECRET"),
}


@pytest.mark.parametrize("make", PRIVATE.values(), ids=PRIVATE)
def test_private_words_are_not_stored(make: Callable[[], bytes]) -> None:
    given = make()
    assert b"SECRET" in given
    stored, picture = pictures.cleaned(given)
    assert b"SECRET" not in stored
    assert (picture.size[0] >= 32, picture.info) == (True, {})
    assert Image.open(io.BytesIO(stored)).format == "PNG"


PLAIN: dict[str, bytes] = {
    "png": encoded(gradient()),
    "grey png": encoded(gradient().convert("L")),
    "png with a resolution": encoded(gradient(), dpi=(72, 72)),
    "jpeg": encoded(gradient(), "JPEG"),
    "grey jpeg": encoded(gradient().convert("L"), "JPEG"),
    "progressive jpeg": encoded(gradient((64, 64)), "JPEG", progressive=True),
    "jpeg with restarts": encoded(gradient((64, 64)), "JPEG", restart_marker_rows=1),
    "noisy jpeg": encoded(Image.effect_noise((64, 64), 90).convert("RGB"), "JPEG", quality=100),
    "webp": encoded(gradient(), "WEBP"),
    "lossless webp": encoded(gradient(), "WEBP", lossless=True),
}


@pytest.mark.parametrize("given", PLAIN.values(), ids=PLAIN)
def test_a_plain_file_stays_as_it_is(given: bytes) -> None:
    assert pictures.cleaned(given)[0] == given


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)),
        Image.new("LA", (4, 4), (0, 0)),
        Image.new("RGBA", (4, 4), (255, 255, 255, 128)),
    ],
    ids=["clear", "clear grey", "white glass"],
)
def test_transparency_is_laid_on_white(picture: Image.Image) -> None:
    stored, plain = pictures.cleaned(encoded(picture))
    assert plain.getpixel((1, 1)) == (255, 255, 255)
    assert Image.open(io.BytesIO(stored)).mode == "RGB"


def test_a_palette_s_clear_colour_is_laid_on_white() -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((0, 0), 1)
    plain = pictures.decode(encoded(picture, transparency=0))
    assert (plain.getpixel((0, 0)), plain.getpixel((3, 3))) == ((0, 0, 255), (255, 255, 255))


def test_half_clear_red_becomes_pink() -> None:
    plain = pictures.decode(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 128))))
    assert plain.getpixel((1, 1)) == pytest.approx((255, 127, 127), abs=1)


def test_a_cmyk_jpeg_keeps_its_colours() -> None:
    stored, plain = pictures.cleaned(
        encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    )
    assert plain.getpixel((4, 4)) == pytest.approx(RED, abs=3)
    assert stored.startswith(b"\x89PNG")


def test_a_16_bit_png_keeps_its_greys() -> None:
    picture = Image.frombytes("I;16", (4, 1), struct.pack("<4H", 0, 0x4000, 0x8000, 0xFFFF))
    plain = pictures.decode(encoded(picture))
    assert [plain.getpixel((x, 0)) for x in range(4)] == [(0,) * 3, (63,) * 3, (127,) * 3, (255,) * 3]


def test_a_bitmap_becomes_rgb() -> None:
    plain = pictures.decode(encoded(Image.new("1", (4, 4), 1)))
    assert (plain.mode, plain.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_the_same_pixels_are_the_same_bytes() -> None:
    noted = gradient()
    noted.info["comment"] = "SECRET"
    assert pictures.encode_png(noted) == pictures.encode_png(gradient())
    assert pictures.decode(pictures.encode_png(gradient())).tobytes() == gradient().tobytes()
