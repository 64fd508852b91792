"""What is thrown away anyway is not read; what costs time is counted."""

import io
import struct
import zlib
from typing import Any

import pytest
from brushwork_core.media import picture_structure, pictures
from brushwork_core.media.structure.boxes import check_boxes
from brushwork_core.media.structure.limits import TooCostly
from brushwork_schemas.errors import InvalidImage
from PIL import Image

from tests.heic_samples import TURNED

BLUE = (0, 0, 255)


def encoded(format_name: str = "PNG", side: int = 16, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), BLUE).save(buffer, format_name, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes, *, damaged: bool = False) -> bytes:
    check = zlib.crc32(name + content) ^ damaged
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def png_with(*chunks: bytes) -> bytes:
    data = encoded()
    return data[:33] + b"".join(chunks) + data[33:]


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    data = encoded("JPEG", quality=100)
    made = [struct.pack(">BBH", 0xFF, mark, len(content) + 2) + content for mark, content in segments]
    return data[:2] + b"".join(made) + data[2:]


HARMLESS = {
    "1.1 MB of compressed text": png_with(chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(1_100_000)))),
    "70 MB of compressed texts": png_with(*[chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(700_000)))] * 100),
    "compressed text that is none": png_with(chunk(b"zTXt", b"key\0\0no zlib")),
    "text of an unknown compression": png_with(chunk(b"zTXt", b"key\0\7" + zlib.compress(b"word"))),
    "international text cut short": png_with(chunk(b"iTXt", b"key\0\1")),
    "text with a wrong checksum": png_with(chunk(b"tEXt", b"key\0word", damaged=True)),
    "2 MB of text": png_with(chunk(b"tEXt", b"key\0" + b"x" * 2_000_000)),
    "a size in metres cut short": png_with(chunk(b"pHYs", b"\0\0")),
    "a gamma cut short": png_with(chunk(b"gAMA", b"\0")),
    "a profile of an unknown compression": png_with(chunk(b"iCCP", b"name\0\7abc")),
    "a profile that unpacks to 20 MB": png_with(chunk(b"iCCP", b"n\0\0" + zlib.compress(bytes(20_000_000)))),
    "a JFIF header cut short": jpeg_with((0xE0, b"JFIF\0\1")),
    "a Photoshop block that is none": jpeg_with((0xED, b"Photoshop 3.0\x008BIM\4")),
    "a second picture that is none": jpeg_with((0xE2, b"MPF\0garbage")),
    "EXIF that is none": jpeg_with((0xE1, b"Exif\0\0garbage")),
    "a profile with a wrong number": jpeg_with((0xE2, b"ICC_PROFILE\0\2")),
    "a comment of 60 kB": jpeg_with((0xFE, b"x" * 60_000)),
    "data behind a JPEG": encoded("JPEG", quality=100) + b"more",
}


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_metadata_is_skipped_unread(data: bytes) -> None:
    stored, picture = pictures.cleaned(data)
    assert picture.getpixel((8, 8)) == pytest.approx(BLUE, abs=3)
    assert len(stored) < 2000


def many_scans() -> bytes:
    data = encoded("JPEG", progressive=True)
    begin = data.rindex(b"\xff\xda")
    return data[:begin] + data[begin:-2] * 200 + b"\xff\xd9"


def gif_of_comments() -> bytes:
    data = encoded("GIF")
    return data[:-1] + b"\x21\xfe\x01x\0" * 210_000 + b"\x3b"


def gif_of_tiny_blocks() -> bytes:
    data = encoded("GIF")
    return data[:-1] + b"\x21\xfe" + b"\x01x" * 210_000 + b"\0\x3b"


def tiff_of_many_places() -> bytes:
    """A tag that names 600,000 values."""
    values = struct.pack("<I", 8) * 600_000
    tags = struct.pack("<HHII", 256, 3, 1, 4) + struct.pack("<HHII", 273, 4, 600_000, 100)
    return (b"II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4)).ljust(100, b"\0") + values


def webp_of_chunks() -> bytes:
    content = encoded("WEBP", lossless=True)[12:] + b"junk\2\0\0\0ab" * 210_000
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WEBP" + content


TOO_MANY = {
    "210,000 texts": png_with(*[chunk(b"tEXt", b"k\0w")] * 210_000),
    "210,000 compressed texts": png_with(*[chunk(b"zTXt", b"k\0\0" + zlib.compress(b"w"))] * 210_000),
    "210,000 empty chunks": png_with(*[chunk(b"prVt", b"")] * 210_000),
    "210,000 segments": jpeg_with(*[(0xFE, b"")] * 210_000),
    "201 scans": many_scans(),
    "210,000 comments": gif_of_comments(),
    "210,000 tiny blocks": gif_of_tiny_blocks(),
    "600,000 values": tiff_of_many_places(),
    "210,000 chunks of a WebP": webp_of_chunks(),
}


@pytest.mark.parametrize("data", TOO_MANY.values(), ids=TOO_MANY)
def test_too_many_parts_are_refused_by_their_number(data: bytes) -> None:
    with pytest.raises(InvalidImage, match=r"the picture has more than (200000|100|500000) "):
        pictures.decode(data)


def test_as_many_parts_as_are_allowed_are_read() -> None:
    # IHDR, IDAT and IEND count, too.
    many = [chunk(b"tEXt", b"k\0w")] * (picture_structure.MAX_PARTS - 3)
    assert pictures.decode(png_with(*many)).size == (16, 16)


@pytest.mark.parametrize(
    "data",
    [
        encoded("JPEG", side=300, quality=95),
        encoded("JPEG", side=300, progressive=True, optimize=True),
        encoded("JPEG", side=64, restart_marker_rows=1),
        encoded("PNG", side=300),
    ],
)
def test_a_lean_file_shows_the_same(data: bytes) -> None:
    right, lean = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(picture_structure.lean(data).data))
    assert lean.tobytes() == right.tobytes()


def test_fill_bytes_between_segments() -> None:
    data = encoded("JPEG")
    assert pictures.decode(data[:2] + b"\xff\xff\xff" + data[2:]).size == (16, 16)


def test_the_orientation_of_xmp_in_a_png_is_kept() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'
    picture = Image.new("RGB", (32, 16), BLUE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    data = buffer.getvalue()
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    assert pictures.decode(data[:33] + text + data[33:]).size == (16, 32)


@pytest.mark.parametrize(
    "kind", [b"\xffxif", b"E\x80if", b"Ex\xc3(", b"Exi\xfe", b"\xc0\x80if", b"\xed\xa0\x80f"]
)
def test_the_type_of_an_item_that_is_no_text_is_refused(kind: bytes) -> None:
    """The library for HEIC ended the process, found by changing files at random."""
    data = TURNED.replace(b"Exif\0\0\0\0", kind + b"\0\0\0\0", 1)
    assert data != TURNED
    with pytest.raises(InvalidImage, match="the list of its items is damaged"):
        pictures.decode(data)


def item_list(item: bytes, size: int | None = None) -> bytes:
    """A file with one item in its list.

    Args:
        item: From its version on.
        size: What it says its size is.
    """

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), name) + content

    entry = struct.pack(">I4s", len(item) + 8 if size is None else size, b"infe") + item
    meta = box(b"meta", bytes(4) + box(b"iinf", bytes(4) + b"\0\1" + entry))
    return box(b"ftyp", b"heic\0\0\0\0heic") + meta


MIME = b"mimename\0text/\xff\0"


@pytest.mark.parametrize(
    "data",
    [
        item_list(b"\2\0\0\0\0\1\0\0" + MIME),
        item_list(b"\3\0\0\0\0\0\0\1\0\0" + MIME),
        item_list(b"\2\0\0\0\0\1\0\0" + MIME, size=0),
        item_list(struct.pack(">Q", 40) + b"\2\0\0\0\0\1\0\0" + MIME, size=1),
        item_list(b"\2\0\0\0\0\1\0\0" + MIME, size=2**31),
        item_list(b"\0\0\0\0\0\1\0\0name\0text/\xff\0"),
    ],
)
def test_other_texts_of_an_item_are_checked_too(data: bytes) -> None:
    with pytest.raises(TooCostly, match="the list of its items is damaged"):
        check_boxes(data, 1000)


def test_numbers_of_items_may_be_any_bytes() -> None:
    check_boxes(item_list(b"\2\0\0\0\xff\xfe\0\0Exif\0"), 1000)
    check_boxes(item_list(b"\3\0\0\0\xff\xfe\xff\xff\0\0Exif" + "猫".encode() + b"\0"), 1000)
