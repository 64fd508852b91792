"""Detects metadata and hidden content in files of pictures, such as a place, a camera or appended data.

Pillow cannot tell: it skips unknown segments, reads some only after the pixels, and ignores data after the
end. So this module parses the structure of the file, and accepts only segments that are known to be harmless.
The label of brushwork's own pictures is one: it says nothing but that a model has made the picture.
"""

import re
import struct

from brushwork_core.provenance.marks.xmp import is_own_label

# Pixels, palette and display parameters.
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"pHYs", b"bKGD", b"sBIT", b"cHRM"}
# Every later reader would take time for more.
_MOST_CHUNKS = 10_000
# Quantisation, frames, Huffman tables, restart interval and scan.
_JPEG_SEGMENTS = {0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDD, 0xDA}
# JFIF without a thumbnail, and Adobe's color transform. Neither can hold private data.
_JPEG_HEADERS = {(0xE0, b"JFIF\0", 14), (0xEE, b"Adobe", 12)}
_JPEG_START, _JPEG_END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_PNG_XMP, _JPEG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_APP1 = 0xE1
# Flags of a WebP's header: it has transparency; it has XMP.
_WEBP_ALPHA, _WEBP_XMP = 0x10, 0x04
_NOTE_AFTER_SCAN = re.compile(rb"\xff[\xe0-\xef\xfe]")


def is_plain(data: bytes) -> bool:
    """Return whether `data`, a valid PNG, JPEG or WebP, holds only pixels, and at most our own label."""
    try:
        return _is_plain_png(data) or _is_plain_jpeg(data) or _is_plain_webp(data)
    except (struct.error, IndexError):
        return False


def _is_plain_png(data: bytes) -> bool:
    position, name, number = 8, b"", 0
    while data.startswith(b"\x89PNG") and position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        number += 1
        is_known = name in _PNG_CHUNKS or _is_labelled(name == b"iTXt", data[position + 8 :][:size], _PNG_XMP)
        if not is_known or number > _MOST_CHUNKS:
            return False
        position += 12 + size
        if name == b"IEND":
            break
    return name == b"IEND" and position == len(data)


def _is_plain_jpeg(data: bytes) -> bool:
    position = 2
    if not data.startswith(_JPEG_START):
        return False
    while True:
        mark, segment, size = struct.unpack_from(">BBH", data, position)
        content = data[position + 4 : position + 2 + size]
        header = (segment, content[:5], len(content))
        is_known = segment in _JPEG_SEGMENTS or header in _JPEG_HEADERS
        if mark != 0xFF or not (is_known or _is_labelled(segment == _APP1, content, _JPEG_XMP)):
            return False
        position += 2 + size
        if segment == _SCAN:
            break
    # In a scan, 0xFF is always followed by 0 or a restart marker, so these cannot be pixels.
    return data.find(_JPEG_END, position) == len(data) - 2 and not _NOTE_AFTER_SCAN.search(data, position)


def _is_plain_webp(data: bytes) -> bool:
    riff, size, webp, name, content = struct.unpack_from("<4sI4s4sI", data)
    padded = content + content % 2
    if (riff, webp) != (b"RIFF", b"WEBP") or size + 8 != len(data):
        return False
    if name in (b"VP8 ", b"VP8L"):
        is_all: bool = len(data) == 20 + padded
        return is_all
    return name == b"VP8X" and _is_labelled_webp(data, 20 + padded)


def _is_labelled_webp(data: bytes, start: int) -> bool:
    """Whether a WebP has, after its header, pixels and our label alone."""
    parts, position = [], start
    while position < len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        parts.append((name, data[position + 8 : position + 8 + size]))
        position += 8 + size + size % 2
    names = [name for name, _ in parts]
    return (
        position == len(data)
        and names in ([b"VP8 ", b"XMP "], [b"VP8L", b"XMP "])
        and data[20] & ~_WEBP_ALPHA == _WEBP_XMP
        and is_own_label(parts[1][1])
    )


def _is_labelled(is_place: bool, content: bytes, keyword: bytes) -> bool:
    """Whether a segment is where a file has XMP, and holds our label and nothing else."""
    return is_place and content.startswith(keyword) and is_own_label(content[len(keyword) :])
