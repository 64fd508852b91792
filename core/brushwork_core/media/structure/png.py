"""The chunks of a PNG: counted, reduced to those that say how pixels look, and those of pixels joined."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.structure.limits import MAX_PARTS, MAX_PROFILE_BYTES, more_than

_HEAD = struct.Struct(">I4s")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Ancillary chunks that say how pixels look. The length is that of valid ones; 0 for any.
_LOOKS = {b"tRNS": 0, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"eXIf": 0}
_FRAMES = {b"acTL", b"fcTL", b"fdAT"}
_XMP = b"XML:com.adobe.xmp\0\0"
# A file has these once. Each repetition would cost time.
_ONCE = {b"IHDR", b"PLTE", b"IEND", b"iTXt", b"acTL", *_LOOKS}
# The chunks of pixels are joined if there are more. Each is a call from C into Python and back.
_MAX_PIECES = 10_000


@dataclass(frozen=True)
class LeanPng:
    """A PNG without what no decoder needs.

    Args:
        data: The file.
        icc_profile: Colour profile, which `data` then lacks.
        cicp: Colour primaries and transfer function, as in ITU-T H.273.
        transparent: Value of the transparent colour, scaled to what Pillow decodes.
    """

    data: bytes
    icc_profile: bytes | None = None
    cicp: tuple[int, int] | None = None
    transparent: int | tuple[int, ...] | None = None


def lean_png(data: bytes, first_frame: bool) -> LeanPng:
    """Count the chunks, and leave out those that do not say how pixels look.

    Args:
        data: The file.
        first_frame: Whether only the first frame of an animated PNG is kept.

    Raises:
        TooCostly: There are too many chunks.
    """
    view = memoryview(data)
    kept, pieces = [view[:8]], [False]
    looks: dict[bytes, bytes] = {}
    seen: set[bytes] = set()
    for name, position, end in _chunks(data):
        is_pixels = name == b"IDAT"
        if not is_pixels:
            content = view[position + 8 : end - 4]
            if name in (b"iCCP", b"cICP", b"tRNS"):
                looks.setdefault(name, bytes(content))
            if name in seen or not _is_needed(name, content, view[position + 4 : end], first_frame):
                continue
            if name in _ONCE:
                seen.add(name)
        kept.append(view[position:end])
        pieces.append(is_pixels)
    return LeanPng(
        b"".join(kept if sum(pieces) <= _MAX_PIECES else _joined(kept, pieces)),
        _profile_of(looks.get(b"iCCP", b"")),
        (looks[b"cICP"][0], looks[b"cICP"][1]) if len(looks.get(b"cICP", b"")) == 4 else None,
        _transparent(data, looks.get(b"tRNS", b"")),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of each chunk."""
    position, number, last = 8, 0, len(data) - 8
    while position <= last:
        size, name = _HEAD.unpack_from(data, position)
        number += 1
        if number > MAX_PARTS:
            raise more_than(said("{limit} chunks", limit=MAX_PARTS))
        end = position + 12 + size
        yield name, position, end
        position = end
        if name == b"IEND":
            return


def _joined(chunks: list[memoryview], is_pixels: list[bool]) -> list[bytes | memoryview]:
    """The chunks, with those of pixels as one."""
    pixels = b"IDAT" + b"".join(each[8:-4] for each, is_one in zip(chunks, is_pixels, strict=True) if is_one)
    first = is_pixels.index(True)
    others = [each for each, is_one in zip(chunks[first:], is_pixels[first:], strict=True) if not is_one]
    head, check = struct.pack(">I", len(pixels) - 4), struct.pack(">I", zlib.crc32(pixels))
    return [*chunks[:first], head + pixels + check, *others]


def _is_needed(name: bytes, content: memoryview, checked: memoryview, first_frame: bool) -> bool:
    is_critical = not name[0] & 0x20
    if is_critical or name == b"tRNS":
        return True
    if name in _FRAMES:
        return not first_frame
    # Pillow finds the orientation there, if the file has no EXIF data.
    if name == b"iTXt":
        return bytes(content[: len(_XMP)]) == _XMP and _is_intact(checked)
    length = _LOOKS.get(name)
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
