"""The tags of a TIFF, its strips or tiles, and what they unpack to."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.structure.jpeg import scans_of
from brushwork_core.media.structure.limits import MAX_TAGS, TooCostly, more_than

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Values of the tags, apart from those that are bytes. Most are the places of rows.
MAX_TAG_VALUES = 500_000
# Strips and tiles. Each is one call of a decoder.
MAX_PIECES = 100_000
# Tiles at the edges are filled up.
_FILLED_UP, _SMALL_PIXELS = 4, 4_000_000
_SCANS_OF_A_PIECE = 4
_JPEG = 7
# None, CCITT, LZW, JPEG, Deflate and PackBits: what scanners, cameras and programs write.
_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}
_WIDTH, _HEIGHT, _COMPRESSION, _STRIPS, _TILE_WIDTH, _TILE_HEIGHT, _TILES = 256, 257, 259, 273, 322, 323, 324
_SIZES = (279, 325)
_BYTES_OF_TYPE = {1, 2, 6, 7}
_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class _Directory:
    """Tags by their number: type, count, and where the value is."""

    data: bytes
    order: str
    inline: int
    tags: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def value(self, number: int, default: int) -> int:
        return next(self.values(number), default)

    def count(self, number: int) -> int:
        return self.tags[number][1] if number in self.tags else 0

    def values(self, number: int) -> Iterator[int]:
        kind, count, place = self.tags.get(number, (0, 0, 0))
        if (form := _FORMATS.get(kind)) is None:
            return
        size = struct.calcsize(form) * count
        if size > self.inline:
            place = struct.unpack_from(f"{self.order}{'Q' if self.inline == 8 else 'I'}", self.data, place)[0]
        if place + size <= len(self.data):
            yield from struct.unpack_from(f"{self.order}{count}{form}", self.data, place)


def check_tiff(data: bytes) -> None:
    """Check the first directory of a TIFF.

    Raises:
        TooCostly: It has too many tags, values, strips or tiles, or they unpack to far more than the picture.
    """
    try:
        found = _directory(data)
        if found is not None:
            _check_compression(found, data)
            _check_pieces(found, data)
    # A damaged file, for the decoder to refuse.
    except struct.error:
        return


def _directory(data: bytes) -> _Directory | None:
    order = "<" if data.startswith(b"II") else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    wide, short, layout = ("Q", "Q", f"{order}HHQ") if is_big else ("I", "H", f"{order}HHI")
    start = struct.unpack_from(f"{order}{wide}", data, 8 if is_big else 4)[0]
    if start + 8 > len(data):
        return None
    number = struct.unpack_from(f"{order}{short}", data, start)[0]
    if number > MAX_TAGS:
        raise more_than(said("{limit} tags", limit=MAX_TAGS))
    first, step, inline = (start + 8, 20, 8) if is_big else (start + 2, 12, 4)
    found = _Directory(data, order, inline)
    values = 0
    for index in range(number):
        place = first + index * step
        tag, kind, count = struct.unpack_from(layout, data, place)
        found.tags.setdefault(tag, (kind, count, place + step - inline))
        values += 0 if kind in _BYTES_OF_TYPE else count
    if values > MAX_TAG_VALUES:
        raise more_than(said("{limit} values in its tags", limit=MAX_TAG_VALUES))
    return found


def _check_compression(found: _Directory, data: bytes) -> None:
    compression = found.value(_COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise TooCostly(
            said(
                "a TIFF with compression {number} is not read; LZW, Deflate, JPEG and PackBits are",
                number=compression,
            )
        )
    pieces = max(1, found.count(_STRIPS), found.count(_TILES))
    if compression == _JPEG and scans_of(data) > _SCANS_OF_A_PIECE * pieces:
        raise more_than(said("{limit} scans", limit=_SCANS_OF_A_PIECE * pieces))


def _check_pieces(found: _Directory, data: bytes) -> None:
    pieces = max(found.count(_STRIPS), found.count(_TILES))
    if pieces > MAX_PIECES:
        raise more_than(said("{limit} strips or tiles", limit=MAX_PIECES))
    if any(sum(found.values(number)) > 2 * len(data) for number in _SIZES):
        raise TooCostly(said("its strips or tiles overlap"))
    pixels = found.value(_WIDTH, 0) * found.value(_HEIGHT, 0)
    tile = found.value(_TILE_WIDTH, 0) * found.value(_TILE_HEIGHT, 0)
    if tile * max(1, found.count(_TILES)) > max(_SMALL_PIXELS, _FILLED_UP * pixels):
        raise TooCostly(said("its tiles have far more pixels than the picture"))
