"""IPTC's older form of metadata (Information Interchange Model 4.2), as Photoshop's resources hold it.

Pillow reads those of a TIFF, and of a JPEG those that do not span several segments. This reads the others.
"""

from collections.abc import Iterable, Iterator, Mapping

_PHOTOSHOP = b"Photoshop 3.0\0"
_SIGNATURE, _IPTC_RESOURCE = b"8BIM", 0x0404
_MARKER, _LONG = 0x1C, 0x8000
_MOST_DIGITS = 4
_CHARACTER_SET, _UTF8 = (1, 90), b"\x1b%G"
_FIELDS = {
    (2, 40): "SpecialInstructions",
    (2, 65): "OriginatingProgram",
    (2, 70): "ProgramVersion",
    (2, 110): "Credit",
    (2, 120): "Caption",
}
MOST_BYTES = 2**20
MOST_RECORDS = 10_000
LONGEST_VALUE = 20_000
_Number = tuple[int, int]


def of_segments(segments: Iterable[bytes]) -> bytes:
    """Return the resources of a JPEG, which may be spread over several segments `APP13`.

    Args:
        segments: The contents of these segments, in order.
    """
    parts = [each.removeprefix(_PHOTOSHOP) for each in segments if each.startswith(_PHOTOSHOP)]
    return b"".join(parts)[:MOST_BYTES]


def of_raw_profile(text: str) -> bytes:
    """Return what a PNG's text `Raw profile type ...` holds in digits, after a name and a length.

    Returns:
        Nothing if it is damaged.
    """
    _, _, rest = text.lstrip("\n").partition("\n")
    _, _, digits = rest.lstrip(" ").partition("\n")
    try:
        return bytes.fromhex(digits[: 3 * MOST_BYTES])[:MOST_BYTES]
    except ValueError:
        return b""


def fields(data: bytes) -> Mapping[str, str]:
    """Return the texts of some fields: `Caption`, `Credit`, `OriginatingProgram` and others.

    Args:
        data: Photoshop's resources, or the records alone. What is damaged is left out.
    """
    data = data.removeprefix(_PHOTOSHOP)
    records = b"".join(_iptc_resources(data)) if data.startswith(_SIGNATURE) else data
    return texts_of(_records(records))


def texts_of(records: Iterable[tuple[_Number, bytes]]) -> Mapping[str, str]:
    """Return the texts of some fields.

    Args:
        records: Number of record and field, and content.
    """
    found: dict[str, bytes] = {}
    is_utf8 = False
    for number, value in records:
        if number == _CHARACTER_SET:
            is_utf8 = value == _UTF8
        elif number in _FIELDS:
            found.setdefault(_FIELDS[number], value[:LONGEST_VALUE])
    return {name: text for name, value in found.items() if (text := _text(value, is_utf8))}


def _iptc_resources(data: bytes) -> Iterator[bytes]:
    place = 0
    for _ in range(MOST_RECORDS):
        if data[place : place + 4] != _SIGNATURE or len(data) < place + 7:
            return
        kind = int.from_bytes(data[place + 4 : place + 6])
        # Name and content are padded to an even length.
        place += 6 + (data[place + 6] | 1) + 1
        size = int.from_bytes(data[place : place + 4])
        place += 4
        if kind == _IPTC_RESOURCE:
            yield data[place : place + size]
        place += size + (size & 1)


def _records(data: bytes) -> Iterator[tuple[_Number, bytes]]:
    place = 0
    for _ in range(MOST_RECORDS):
        if len(data) < place + 5 or data[place] != _MARKER:
            return
        number = data[place + 1], data[place + 2]
        size = int.from_bytes(data[place + 3 : place + 5])
        place += 5
        if size & _LONG:
            # Then these bits say how many bytes the length itself has.
            if (digits := size & ~_LONG) > _MOST_DIGITS:
                return
            size = int.from_bytes(data[place : place + digits])
            place += digits
        yield number, data[place : place + size]
        place += size


def _text(value: bytes, is_utf8: bool) -> str:
    # Many programs write UTF-8 and do not say so.
    try:
        return value.decode("utf-8").strip("\0 ")
    except UnicodeDecodeError:
        return value.decode("utf-8" if is_utf8 else "latin-1", "replace").strip("\0 ")
