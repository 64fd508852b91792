"""The parts of a picture's file: counted before a decoder sees them, and left out if they hold no pixels.

Texts, comments and the like are dropped in the end, so they are skipped here unread: damaged or very long
ones do not make a picture unusable. The number of parts is limited, because each one costs time however small
it is.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

# Chunks of a PNG or WebP, segments of a JPEG, blocks of a GIF. A PNG of 25 MB in pieces of 1 KB has half.
MAX_PARTS = 50_000
# A progressive JPEG has about 10. Each scan is a pass over all pixels.
MAX_SCANS = 100
# Values of the tags of a TIFF, apart from those that are bytes. Most are the places of rows.
MAX_TAG_VALUES = 500_000
MAX_PROFILE_BYTES = 16 * 2**20
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
# Ancillary chunks that say how pixels look. The length is that of valid ones; 0 for any.
_PNG_LOOKS = {b"tRNS": 0, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"eXIf": 0}
_PNG_FRAMES = {b"acTL", b"fcTL", b"fdAT"}
_XMP_TEXT, _XMP_SEGMENT = b"XML:com.adobe.xmp\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}
_BYTES_OF_TYPE = {1, 2, 6, 7}


class TooManyParts(Exception):
    """A file has more parts than a picture needs.

    Args:
        what: The number and the kind of parts that are allowed.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True)
class LeanFile:
    """A picture's file without what no decoder needs.

    Args:
        data: The file.
        icc_profile: Colour profile of a PNG, which `data` then lacks.
        cicp: Colour primaries and transfer function of a PNG, as in ITU-T H.273.
        transparent: Value of a PNG's transparent colour, scaled to what Pillow decodes.
    """

    data: bytes
    icc_profile: bytes | None = None
    cicp: tuple[int, int] | None = None
    transparent: int | tuple[int, ...] | None = None


def lean(data: bytes, *, first_frame: bool = False) -> LeanFile:
    """Count the parts of a file, and leave out those without pixels.

    A file of an unknown or damaged structure is returned as it is, for the decoder to refuse.

    Args:
        data: The file.
        first_frame: Whether only the first frame of an animated PNG is kept.

    Raises:
        TooManyParts: The file has too many parts.
    """
    if data.startswith(_PNG):
        return _lean_png(data, first_frame)
    if data.startswith(_JPEG):
        return LeanFile(b"".join(_jpeg_parts(memoryview(data), data)))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        _count(_webp_chunks(data), "chunks")
    elif data.startswith((b"GIF87a", b"GIF89a")):
        _count(_gif_blocks(data), "blocks")
    elif data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        _check_tags(data)
    return LeanFile(data)


def _count(parts: Iterator[None], what: str) -> None:
    for number, _ in enumerate(parts, 1):
        _check_number(number, what)


def _check_number(number: int, what: str) -> None:
    if number > MAX_PARTS:
        raise TooManyParts(f"{MAX_PARTS} {what}")


def _lean_png(data: bytes, first_frame: bool) -> LeanFile:
    view = memoryview(data)
    kept, position, number = [view[:8]], 8, 0
    looks: dict[bytes, bytes] = {}
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        number += 1
        _check_number(number, "chunks")
        end = position + 12 + size
        content = view[position + 8 : end - 4]
        if name in (b"iCCP", b"cICP", b"tRNS"):
            looks.setdefault(name, bytes(content))
        if _is_needed(name, content, view[position + 4 : end], first_frame):
            kept.append(view[position:end])
        position = end
        if name == b"IEND":
            break
    return LeanFile(
        b"".join(kept),
        _profile_of(looks.get(b"iCCP", b"")),
        (looks[b"cICP"][0], looks[b"cICP"][1]) if len(looks.get(b"cICP", b"")) == 4 else None,
        _transparent(data, looks.get(b"tRNS", b"")),
    )


def _is_needed(name: bytes, content: memoryview, checked: memoryview, first_frame: bool) -> bool:
    is_critical = not name[0] & 0x20
    if is_critical or name == b"tRNS":
        return True
    if name in _PNG_FRAMES:
        return not first_frame
    # Pillow finds the orientation there, if the file has no EXIF data.
    if name == b"iTXt":
        return bytes(content[: len(_XMP_TEXT)]) == _XMP_TEXT and _is_intact(checked)
    length = _PNG_LOOKS.get(name)
    return length is not None and length in (0, len(content)) and _is_intact(checked)


def _is_intact(checked: memoryview) -> bool:
    return zlib.crc32(checked[:-4]) == int.from_bytes(checked[-4:])


def _profile_of(chunk: bytes) -> bytes | None:
    _, separator, packed = chunk.partition(b"\0")
    if not separator or not packed.startswith(b"\0"):
        return None
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else profile


def _transparent(data: bytes, chunk: bytes) -> int | tuple[int, ...] | None:
    """The transparent colour. Pillow scales the pixels of a PNG to 8 bits, but not this value."""
    if len(data) < 26 or len(chunk) not in (2, 6):
        return None
    bits, colour_type = data[24], data[25]
    values: tuple[int, ...] = struct.unpack(f">{len(chunk) // 2}H", chunk)
    if colour_type == 0 and len(values) == 1 and bits in (1, 2, 4, 8, 16):
        return values[0] if bits == 16 else (values[0] & (2**bits - 1)) * 255 // (2**bits - 1)
    if colour_type == 2 and len(values) == 3:
        return tuple(value >> 8 if bits == 16 else value & 0xFF for value in values)
    return None


def _jpeg_parts(view: memoryview, data: bytes) -> Iterator[bytes | memoryview]:
    yield _JPEG
    position, number, scans = 2, 0, 0
    while (found := _JPEG_MARKER.search(data, position)) is not None:
        # Between segments there may be fill bytes; after a scan, its pixels.
        if scans:
            yield view[position : found.start()]
        position, segment = found.start(), data[found.start() + 1]
        number += 1
        _check_number(number, "segments")
        if segment == _END:
            yield view[position : position + 2]
            return
        if segment in _ALONE:
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if _is_needed_segment(segment, data[position + 4 : min(end, position + 40)], end - position - 4):
            yield view[position:end]
        position = end
        scans += segment == _SCAN
        if scans > MAX_SCANS:
            raise TooManyParts(f"{MAX_SCANS} scans")
    yield view[position:]


def _is_needed_segment(segment: int, head: bytes, size: int) -> bool:
    if segment == 0xE0:
        return head.startswith(b"JFIF\0") and size >= 14
    if segment == 0xE1:
        return head.startswith((b"Exif\0\0", _XMP_SEGMENT))
    if segment == 0xE2:
        return head.startswith(b"ICC_PROFILE\0") and size >= 14
    if segment == 0xEE:
        return head.startswith(b"Adobe") and size >= 12
    is_application = 0xE0 <= segment <= 0xEF
    return not is_application and segment != 0xFE


def _webp_chunks(data: bytes) -> Iterator[None]:
    position = 12
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
        yield None


def _gif_blocks(data: bytes) -> Iterator[None]:
    position = 13 + _gif_colours(data[10:11])
    while position < len(data):
        yield None
        if data[position] == 0x2C:
            # The pixels, behind the place, the colours and a byte of the compression.
            position += 10 + _gif_colours(data[position + 9 : position + 10]) + 1
        elif data[position] == 0x21:
            position += 2
        else:
            return
        small = 0
        while position < len(data) and (size := data[position]):
            position += size + 1
            # Encoders fill the sub-blocks, of 255 bytes.
            small += size < 255
            if small > 1:
                yield None
        position += 1


def _gif_colours(flags: bytes) -> int:
    return 3 * 2 ** ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _check_tags(data: bytes) -> None:
    order = "<" if data.startswith(b"II") else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    try:
        start = struct.unpack_from(f"{order}Q" if is_big else f"{order}I", data, 8 if is_big else 4)[0]
        number = struct.unpack_from(f"{order}Q" if is_big else f"{order}H", data, start)[0]
        _check_number(number, "tags")
        first, step = (start + 8, 20) if is_big else (start + 2, 12)
        layout = f"{order}HHQ" if is_big else f"{order}HHI"
        tags = [struct.unpack_from(layout, data, first + index * step) for index in range(number)]
    except struct.error:
        return
    if sum(count for _, kind, count in tags if kind not in _BYTES_OF_TYPE) > MAX_TAG_VALUES:
        raise TooManyParts(f"{MAX_TAG_VALUES} values in its tags")
