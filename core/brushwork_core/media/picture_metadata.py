"""Whether a picture's file holds the picture and nothing else: no place, camera, author or stowaway.

Pillow does not say: it passes over segments that it does not know, reads some only after the pixels, and
ignores what follows the end. So the file's own structure is read; what is not known to be harmless is not.
"""

import re
import struct

# Pixels, palette, and how to show them.
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"pHYs", b"bKGD", b"sBIT", b"cHRM"}
# Quantisation, frames, Huffman tables, restart interval and scan.
_JPEG_SEGMENTS = {0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDD, 0xDA}
# JFIF without its thumbnail, and Adobe's note on the colour transform: nothing private fits into either.
_JPEG_HEADERS = {(0xE0, b"JFIF\0", 14), (0xEE, b"Adobe", 12)}
_JPEG_START, _JPEG_END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_NOTE_AFTER_SCAN = re.compile(rb"\xff[\xe0-\xef\xfe]")


def is_plain(data: bytes) -> bool:
    """Whether `data`, a PNG, JPEG or WebP that can be decoded, holds pixels alone."""
    try:
        return _is_plain_png(data) or _is_plain_jpeg(data) or _is_plain_webp(data)
    except (struct.error, IndexError):
        return False


def _is_plain_png(data: bytes) -> bool:
    position, name = 8, b""
    while data.startswith(b"\x89PNG") and position < len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        if name not in _PNG_CHUNKS:
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
        if mark != 0xFF or (segment not in _JPEG_SEGMENTS and header not in _JPEG_HEADERS):
            return False
        position += 2 + size
        if segment == _SCAN:
            break
    # In a scan, 0xFF is always followed by 0 or a restart mark, so these can't be pixels.
    return data.find(_JPEG_END, position) == len(data) - 2 and not _NOTE_AFTER_SCAN.search(data, position)


def _is_plain_webp(data: bytes) -> bool:
    riff, size, webp, name, content = struct.unpack_from("<4sI4s4sI", data)
    padded = content + content % 2
    return (
        (riff, webp) == (b"RIFF", b"WEBP")
        and name in (b"VP8 ", b"VP8L")
        and size + 8 == len(data) == 20 + padded
    )
