"""Which bytes of a file a request asks for: RFC 9110, section 14."""

import re
from dataclasses import dataclass

_UNIT = "bytes="
_ONE = re.compile(r"\s*(\d{0,19})-(\d{0,19})\s*")


class NotSatisfiable(Exception):
    """No byte of the file is within what is asked for, or it can't be read."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to and without `end`, of `size` in all."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """The value of `Content-Range`."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parsed_range(header: str | None, size: int) -> ByteRange | None:
    """What `Range` asks for; None for the whole file.

    Other units and several ranges need not be understood: they ask for the whole.

    Raises:
        NotSatisfiable: There is no such part.
    """
    if header is None or not header.lower().startswith(_UNIT) or "," in header:
        return None
    found = _ONE.fullmatch(header[len(_UNIT) :])
    if found is None or not (found[1] or found[2]):
        raise NotSatisfiable
    if found[1]:
        start, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
    else:
        start, end = max(0, size - int(found[2])), size
    if start >= end:
        raise NotSatisfiable
    return ByteRange(start, end, size)
