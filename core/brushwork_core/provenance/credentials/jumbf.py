"""The boxes of a manifest store (JUMBF, ISO 19566-5): finds a store in a file, and empties parts of it.

c2pa-python hands out neither the bytes of a store nor a store without some of its parts.
"""

import struct
from collections.abc import Callable, Iterator

from brushwork_core.provenance.credentials.library import STORE_MARK

_HEAD = struct.Struct(">I4s")
_SUPERBOX, _DESCRIPTION = b"jumb", b"jumd"
# In a box of description: the type and the toggles stand before the label.
_LABEL_AT = _HEAD.size + 16 + 1
_HAS_LABEL = 0b10
MOST_BOXES, MOST_DEPTH = 20_000, 20
MOST_STORE_BYTES = 2**20
# What is left of an emptied box; boxes of other types become empty.
_EMPTY = {b"json": b"{}", b"cbor": b"\xa0"}
# They say what the box is, and nothing of its content.
_KEPT = (_DESCRIPTION, b"bfdb", b"c2sh")
# From the start of a store to its mark: its own size and type, and the size of its description.
_BEFORE_MARK = 12
_JPEG, _SCAN, _APP11 = b"\xff\xd8", 0xDA, 0xEB
# Before the content in each segment of a JPEG: "JP", a number of the box and one of the segment.
_SEGMENT_HEAD = 8

Path = tuple[str, ...]


class BadStore(ValueError):
    """The bytes are not a manifest store, or they exceed a limit."""


def store_in(data: bytes) -> bytes:
    """Return the manifest store of a file.

    Args:
        data: A PNG, JPEG, WebP, AVIF, HEIC or TIFF.

    Raises:
        BadStore: There is none, or it is larger than `MOST_STORE_BYTES`.
    """
    source = b"".join(_jpeg_pieces(data)) if data.startswith(_JPEG) else data
    start = source.find(STORE_MARK) - _BEFORE_MARK
    if start < 0:
        raise BadStore("no store")
    size, kind = _head(source, start, len(source))
    if kind != _SUPERBOX or size > MOST_STORE_BYTES:
        raise BadStore("no box, or a large one")
    return source[start : start + size]


def labels(store: bytes) -> list[str]:
    """Return the labels of the manifests of a store, in order.

    Raises:
        BadStore: As `store_in`.
    """
    size, _ = _head(store, 0, len(store))
    found = _boxes(store, _HEAD.size, size)
    return [_label(store, start, end) for start, end, kind in found if kind == _SUPERBOX]


def emptied(store: bytes, is_emptied: Callable[[Path, bytes], bool]) -> bytes:
    """Return a store with some of its boxes emptied. They keep their labels.

    Args:
        store: The store.
        is_emptied: Whether to empty a box, by the labels on the way to it and its bytes.

    Raises:
        BadStore: As `store_in`.
    """
    return _Emptying(is_emptied).done(store)


class _Emptying:
    def __init__(self, is_emptied: Callable[[Path, bytes], bool]) -> None:
        self._is_emptied = is_emptied
        self._num_boxes = 0

    def done(self, store: bytes) -> bytes:
        size, kind = _head(store, 0, len(store))
        if kind != _SUPERBOX:
            raise BadStore("no box")
        return self._superbox(store, 0, size, (), is_empty=False)

    def _superbox(self, store: bytes, start: int, end: int, above: Path, *, is_empty: bool) -> bytes:
        if len(above) > MOST_DEPTH:
            raise BadStore("too many boxes in one another")
        path = (*above, _label(store, start, end))
        is_empty = is_empty or self._is_emptied(path, store[start:end])
        inner = b"".join(
            self._box(store, found, path, is_empty=is_empty)
            for found in _boxes(store, start + _HEAD.size, end)
        )
        return _HEAD.pack(_HEAD.size + len(inner), _SUPERBOX) + inner

    def _box(self, store: bytes, found: tuple[int, int, bytes], path: Path, *, is_empty: bool) -> bytes:
        start, end, kind = found
        self._num_boxes += 1
        if self._num_boxes > MOST_BOXES:
            raise BadStore("too many boxes")
        if kind == _SUPERBOX:
            return self._superbox(store, start, end, path, is_empty=is_empty)
        if not is_empty or kind in _KEPT:
            return store[start:end]
        content = _EMPTY.get(kind, b"")
        return _HEAD.pack(_HEAD.size + len(content), kind) + content


def _boxes(store: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    while start < end:
        size, kind = _head(store, start, end)
        yield start, start + size, kind
        start += size


def _head(store: bytes, start: int, end: int) -> tuple[int, bytes]:
    if start + _HEAD.size > end:
        raise BadStore("a box ends early")
    size, kind = _HEAD.unpack_from(store, start)
    if not _HEAD.size <= size <= end - start:
        raise BadStore("a box has an impossible size")
    return size, kind


def _label(store: bytes, start: int, end: int) -> str:
    begin = start + _HEAD.size
    size, kind = _head(store, begin, end)
    if kind != _DESCRIPTION or size < _LABEL_AT or not store[begin + _LABEL_AT - 1] & _HAS_LABEL:
        raise BadStore("a box has no label")
    return store[begin + _LABEL_AT : begin + size].partition(b"\0")[0].decode("utf-8", "replace")


def _jpeg_pieces(data: bytes) -> Iterator[bytes]:
    """The content of the segments that hold the first box of JUMBF; each but the first repeats its head."""
    position, number = 2, None
    while position + 4 <= len(data):
        mark, segment, size = struct.unpack_from(">BBH", data, position)
        if mark != 0xFF or segment == _SCAN:
            return
        content = data[position + 4 : position + 2 + size]
        if segment == _APP11 and content.startswith(b"JP") and len(content) > _SEGMENT_HEAD + _HEAD.size:
            if number is None and content.startswith(STORE_MARK, _SEGMENT_HEAD + _BEFORE_MARK):
                number = content[2:4]
                yield content[_SEGMENT_HEAD:]
            elif content[2:4] == number:
                yield content[_SEGMENT_HEAD + _HEAD.size :]
        position += 2 + size
