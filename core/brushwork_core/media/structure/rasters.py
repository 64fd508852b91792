"""The chunks of a WebP and the canvas it states, the blocks of a GIF, and the runs of a BMP."""

import struct
from collections.abc import Iterator

from brushwork_schemas.wording.phrase import said

from brushwork_core.media.structure.limits import MAX_PARTS, TooCostly, more_than

# Pillow unpacks runs in Python, one by one. Two bytes are a run.
MAX_RUN_BYTES, MAX_RUN_PIXELS = 2 * 2**20, 8_000_000
_RUNS = (1, 2)


def check_webp(data: bytes, max_pixels: int) -> None:
    """Check the chunks of a WebP, and the canvas of an animated one, which is allocated when it is opened.

    Raises:
        TooCostly: There are too many chunks or pixels.
    """
    position, number = 12, 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
        number += 1
        if number > MAX_PARTS:
            raise more_than(said("{limit} chunks", limit=MAX_PARTS))
    if data[12:16] == b"VP8X" and len(data) >= 30:
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
        if width * height > max_pixels:
            raise TooCostly(
                said(
                    "{width} x {height} pixels exceed the limit of {max_pixels}",
                    width=width,
                    height=height,
                    max_pixels=max_pixels,
                )
            )


def check_gif(data: bytes) -> None:
    """Check the number of blocks of a GIF.

    Raises:
        TooCostly: There are too many.
    """
    for number, _ in enumerate(_gif_blocks(data), 1):
        if number > MAX_PARTS:
            raise more_than(said("{limit} blocks", limit=MAX_PARTS))


def check_bmp(data: bytes) -> None:
    """Check a BMP that is compressed in runs.

    Raises:
        TooCostly: It has too many runs or pixels.
    """
    try:
        offset, head = struct.unpack_from("<II", data, 10)
        width, height = struct.unpack_from("<ii", data, 18)
        compression = struct.unpack_from("<I", data, 30)[0]
    except struct.error:
        return
    if head < 40 or compression not in _RUNS:
        return
    if len(data) - offset > MAX_RUN_BYTES:
        raise more_than(said("{limit} bytes of runs", limit=MAX_RUN_BYTES))
    if abs(width * height) > MAX_RUN_PIXELS:
        raise more_than(said("{limit} pixels in runs", limit=MAX_RUN_PIXELS))


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
