"""The boxes of an AVIF or HEIC: their number, their depth, and the size of the lists in them.

The libraries look items up one by one, so long lists of items take a time that grows with the square.
"""

import struct
from collections.abc import Iterator

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.structure.exif import check_embedded
from brushwork_core.media.structure.limits import MAX_PARTS, TooCostly, more_than

# A HEIC of 25 megapixels in tiles of 256 x 256 pixels has 400 items, of some 50 bytes in all lists together.
MAX_LIST_BYTES = 64 * 2**10
MAX_PROPERTIES = 2000
MAX_DEPTH = 12
# A sequence of 1000 frames needs some 20 bytes for each.
MAX_MOVIE_BYTES = 256 * 2**10
_LISTS = {b"iinf", b"iloc", b"iref", b"ipma", b"grpl"}
_PLAIN, _FULL = {b"iprp", b"ipco"}, {b"meta"}


def check_boxes(data: bytes, max_pixels: int) -> None:
    """Check the boxes of a file.

    Raises:
        TooCostly: There are too many boxes, a list is too long, or a size exceeds the limit.
    """
    properties = 0
    for number, (name, begin, end, depth, parent) in enumerate(_boxes(data), 1):
        if number > MAX_PARTS:
            raise more_than(said("{limit} boxes", limit=MAX_PARTS))
        if depth > MAX_DEPTH:
            raise more_than(said("{limit} boxes in each other", limit=MAX_DEPTH))
        properties += parent == b"ipco"
        if properties > MAX_PROPERTIES:
            raise more_than(said("{limit} properties", limit=MAX_PROPERTIES))
        limit = MAX_LIST_BYTES if name in _LISTS else MAX_MOVIE_BYTES if name == b"moov" else None
        if limit is not None and end - begin > limit:
            raise TooCostly(
                said("its box {name} has more than {limit} bytes", name=name.decode("ascii"), limit=limit)
            )
        if name == b"iinf":
            _check_texts(data, begin, end)
        if name == b"ispe" and begin + 20 <= len(data):
            width, height = struct.unpack_from(">II", data, begin + 12)
            _check_size(width, height, max_pixels)
    check_embedded(data)


def _check_texts(data: bytes, begin: int, end: int) -> None:
    """Check the types and names in a list of items. pi_heif ends the process if they are not UTF-8."""
    place = data.find(b"infe", begin, end)
    while place >= 0:
        (size,) = struct.unpack_from(">I", data, max(0, place - 4))
        # After version and flags, number and protection of the item, which are numbers.
        version = data[place + 4] if place + 4 < end else 0
        texts = place + 8 + (4 if version > 2 else 2) + 2
        # A size that is written elsewhere leaves all that follows to be checked.
        own_end = min(end, place - 4 + size) if size > 1 else end
        try:
            data[texts:own_end].decode("utf-8")
        except UnicodeDecodeError:
            raise TooCostly(said("the list of its items is damaged")) from None
        place = data.find(b"infe", place + 4, end)


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooCostly(
            said(
                "{width} x {height} pixels exceed the limit of {max_pixels}",
                width=width,
                height=height,
                max_pixels=max_pixels,
            )
        )


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int, int, bytes]]:
    """Name, begin, end, depth and parent of each box; those in lists are left out."""
    waiting = [(0, len(data), 0, b"")]
    while waiting:
        begin, limit, depth, parent = waiting.pop()
        while begin + 8 <= limit:
            size, name = struct.unpack_from(">I4s", data, begin)
            head = 8
            if size == 1 and begin + 16 <= limit:
                size, head = struct.unpack_from(">Q", data, begin + 8)[0], 16
            end = limit if size == 0 else min(limit, begin + max(size, head))
            yield name, begin, end, depth, parent
            if name in _PLAIN or name in _FULL:
                waiting.append((begin + head + 4 * (name in _FULL), end, depth + 1, name))
            begin = end
