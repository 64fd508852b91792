"""The segments of a JPEG: counted, and left out if they hold no pixels. Its scans, weighed by its size."""

import re
import struct
from collections.abc import Iterator

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.structure.limits import MAX_PARTS, MAX_PROFILE_BYTES, more_than

SIGNATURE = b"\xff\xd8"
# A progressive JPEG has about 10. Each scan is a pass over all pixels.
MAX_SCANS = 100
# Scans times megapixels, for a picture with more than `FREE_SCANS`.
MAX_SCANNED_MEGAPIXELS, FREE_SCANS = 1000, 20
# Tables of codes and quantisation, restart intervals: with tables of its own for each scan, some 500.
MAX_TABLES = 2000
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# JFIF, EXIF or XMP, and Adobe: a file has each once.
_ONCE = {0xE0, 0xE1, 0xEE}
_LONGEST_SEGMENT = 65_533


def lean_jpeg(data: bytes) -> bytes:
    """Count the segments and scans, and leave out the segments without pixels.

    Raises:
        TooCostly: There are too many.
    """
    return b"".join(_parts(memoryview(data), data))


def scans_of(data: bytes) -> int:
    """Return how many scans may be in a file that contains JPEG data."""
    return data.count(b"\xff\xda")


def _parts(view: memoryview, data: bytes) -> Iterator[bytes | memoryview]:
    yield SIGNATURE
    position, number, scans, tables, pixels = 2, 0, 0, 0, 0
    seen: set[bytes] = set()
    while (found := _MARKER.search(data, position)) is not None:
        # Between segments there may be fill bytes; after a scan, its pixels.
        if scans:
            yield view[position : found.start()]
        position, segment = found.start(), data[found.start() + 1]
        number += 1
        if number > MAX_PARTS:
            raise more_than(said("{limit} segments", limit=MAX_PARTS))
        if segment == _END:
            yield view[position : position + 2]
            return
        if segment in _ALONE:
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if _is_needed(segment, data[position + 4 : min(end, position + 40)], end - position - 4, seen):
            yield view[position:end]
            tables += segment != _SCAN
            if tables > MAX_TABLES:
                raise more_than(said("{limit} tables", limit=MAX_TABLES))
        if segment in _FRAMES:
            pixels = max(pixels, _padded_pixels(data[position:end]))
        position = end
        scans += segment == _SCAN
        _check_scans(scans, pixels)
    yield view[position:]


def _check_scans(scans: int, pixels: int) -> None:
    allowed = min(MAX_SCANS, max(FREE_SCANS, MAX_SCANNED_MEGAPIXELS * 1_000_000 // max(1, pixels)))
    if scans > allowed:
        raise more_than(said("{limit} scans", limit=allowed))


def _padded_pixels(frame: bytes) -> int:
    """Pixels of a frame, in whole blocks of its most and least sampled components."""
    if len(frame) < 10:
        return 0
    height, width = struct.unpack_from(">HH", frame, 5)
    factors = frame[11::3][: frame[9]]
    across = 8 * max((each >> 4 for each in factors), default=1)
    down = 8 * max((each & 15 for each in factors), default=1)
    return _rounded_up(width, across) * _rounded_up(height, down)


def _rounded_up(value: int, step: int) -> int:
    return -(-value // max(1, step)) * max(1, step)


def _is_needed(segment: int, head: bytes, size: int, seen: set[bytes]) -> bool:
    if segment == 0xE2:
        parts = MAX_PROFILE_BYTES // _LONGEST_SEGMENT
        is_profile = head.startswith(b"ICC_PROFILE\0") and size >= 14
        return is_profile and _is_new(head[:13], seen) and len(seen) <= parts
    if segment in _ONCE:
        return _is_known(segment, head, size) and _is_new(bytes([segment]) + head[:6], seen)
    is_application = 0xE0 <= segment <= 0xEF
    return not is_application and segment != 0xFE


def _is_known(segment: int, head: bytes, size: int) -> bool:
    if segment == 0xE0:
        return head.startswith(b"JFIF\0") and size >= 14
    if segment == 0xE1:
        return head.startswith((b"Exif\0\0", _XMP))
    return head.startswith(b"Adobe") and size >= 12


def _is_new(name: bytes, seen: set[bytes]) -> bool:
    is_new = name not in seen
    seen.add(name)
    return is_new
