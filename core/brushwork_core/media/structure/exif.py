"""The orientation in EXIF data. It is all that is read: the number of other tags is the sender's choice."""

import re
import struct

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.structure.limits import MAX_TAGS, more_than

_HEAD = b"Exif\0\0"
_ORIENTATION, _SHORT, _LONG = 0x0112, 3, 4
_TIFF = re.compile(rb"II\*\0|MM\0\*")


def orientation(data: bytes) -> int:
    """Return the orientation that EXIF data states, 1 to 8; 1 if there is none, or it is damaged.

    Raises:
        TooCostly: There are too many tags.
    """
    data = data.removeprefix(_HEAD)
    order = "<" if data.startswith(b"II*\0") else ">"
    if order == ">" and not data.startswith(b"MM\0*"):
        return 1
    try:
        place = struct.unpack_from(f"{order}I", data, 4)[0]
        number = struct.unpack_from(f"{order}H", data, place)[0]
        _check_tags(number)
        for index in range(number):
            tag, kind, count = struct.unpack_from(f"{order}HHI", data, place + 2 + 12 * index)
            if tag == _ORIENTATION and kind in (_SHORT, _LONG) and count == 1:
                size = "H" if kind == _SHORT else "I"
                found: int = struct.unpack_from(f"{order}{size}", data, place + 10 + 12 * index)[0]
                return found if 1 <= found <= 8 else 1
    except struct.error:
        pass
    return 1


def minimal(orientation: int) -> bytes:
    """Return EXIF data that states an orientation, and nothing else."""
    return struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, _ORIENTATION, _SHORT, 1, orientation, 0)


def check_embedded(data: bytes) -> None:
    """Check the number of tags wherever EXIF data may begin in a file whose boxes are not read here.

    Pillow reads all EXIF tags of an AVIF as soon as it opens one.

    Raises:
        TooCostly: There are too many tags.
    """
    for found in _TIFF.finditer(data):
        order = "<" if found.group().startswith(b"I") else ">"
        begin = found.start()
        if begin + 8 > len(data):
            return
        place = begin + struct.unpack_from(f"{order}I", data, begin + 4)[0]
        if place + 2 <= len(data):
            number = struct.unpack_from(f"{order}H", data, place)[0]
            # What does not fit into the file are pixels that look like EXIF data.
            if place + 2 + 12 * number <= len(data):
                _check_tags(number)


def _check_tags(number: int) -> None:
    if number > MAX_TAGS:
        raise more_than(said("{limit} tags in its EXIF data", limit=MAX_TAGS))
