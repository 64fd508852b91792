"""Parts of picture files: chunks, segments, boxes, tags, and small valid pictures to put them into."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from PIL import Image

# A rule makes a hostile file. Numbers that do not matter are drawn.
Rule = Callable[[random.Random], bytes]
TIFF_HEAD = b"II*\0"


def encoded(format_name: str, size: tuple[int, int] = (16, 16), mode: str = "RGB", **options: Any) -> bytes:
    """Encode a picture of one colour."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, format_name, **options)
    return buffer.getvalue()


def drawn(rng: random.Random, format_name: str, side: int = 64, **options: Any) -> bytes:
    """Encode a picture of random pixels."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), rng.randbytes(3 * side * side)).save(buffer, format_name, **options)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def segment(mark: int, content: bytes = b"") -> bytes:
    """A segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, mark, len(content) + 2) + content


def box(name: bytes, content: bytes, version: int | None = None) -> bytes:
    """A box of an AVIF or HEIC, with version and flags if `version` is given."""
    head = b"" if version is None else struct.pack(">I", version << 24)
    return struct.pack(">I4s", 8 + len(head) + len(content), name) + head + content


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    content = b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WEBP" + content


def tiff(tags: Iterable[Sequence[int]], content: bytes = b"", following: int = 0) -> bytes:
    """A TIFF of one directory: tags as (number, type, count, value or offset); `content` is at offset 8."""
    entries = sorted(tags)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *tag) for tag in entries)
    return (
        TIFF_HEAD + struct.pack("<I", 8 + len(content)) + content + directory + struct.pack("<I", following)
    )


def exif(*tags: Sequence[int]) -> bytes:
    """EXIF data of one directory."""
    return tiff(tags)


def last_bytes_of_zlib(total: int, byte: bytes = b"\0") -> bytes:
    """Compress `total` bytes in pieces, without holding them."""
    packer = zlib.compressobj(9)
    piece = byte * 2**20
    packed = b"".join(packer.compress(piece) for _ in range(total // 2**20))
    return packed + packer.compress(byte * (total % 2**20)) + packer.flush()
