"""The `Range` header: RFC 9110, section 14."""

import re
from dataclasses import dataclass

from brushwork_schemas.errors import RangeNotSatisfiable
from brushwork_schemas.wording.phrase import said

_UNIT = "bytes="
_ONE = re.compile(r"\s*(\d{0,19})-(\d{0,19})\s*")


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` to `end` (exclusive) of a file with `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """Value of the header `Content-Range`."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parsed_range(header: str | None, size: int) -> ByteRange | None:
    """Return the part of a file that a `Range` header selects; None for the whole file.

    Other units than bytes, and several ranges, select the whole file, as RFC 9110 allows.

    Args:
        header: Value of the header; None if the request has none.
        size: Size of the file in bytes.

    Raises:
        RangeNotSatisfiable: The header is malformed, or selects no byte of the file.
    """
    if header is None or not header.lower().startswith(_UNIT) or "," in header:
        return None
    found = _ONE.fullmatch(header[len(_UNIT) :])
    if found is None or not (found[1] or found[2]):
        raise _refused(size)
    if found[1]:
        start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
    else:
        start, end = max(0, size - int(found[2])), size
    if start >= end:
        raise _refused(size)
    return ByteRange(start, end, size)


def _refused(size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(
        said("Range: no byte of the file is in this range. The file has {size} bytes.", size=size),
        field="Range",
        hint="Send one range, such as bytes=0-99, or leave the header out.",
    )
