"""The boxes of an MP4 (ISO 14496-12): finds them in a file, and reads size and length of its video."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# The file begins with a box of this type; its brand says what the file is.
FILE_TYPE = b"ftyp"
_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"avc1", b"mp41", b"mp42", b"M4V ", b"dash")
# Of a whole file: a video of many fragments has some for each.
MOST_BOXES = 20_000
_HEAD = struct.Struct(">I4s")
_LARGE = struct.Struct(">Q")


class BadMp4(ValueError):
    """The bytes are not a complete MP4 with a video."""


class Mp4Box(NamedTuple):
    """A box of a file: its type, and where its content begins and ends."""

    kind: bytes
    start: int
    begin: int
    end: int


@dataclass(frozen=True)
class VideoHead:
    """What the head of an MP4 says of its video.

    Args:
        width: Pixels.
        height: Pixels.
        num_frames: Number of frames.
        fps: Frames per second, rounded.
    """

    width: int
    height: int
    num_frames: int
    fps: int


def is_mp4(head: bytes) -> bool:
    """Return whether a file is an MP4, by its first 12 bytes. AVIF and HEIC begin with other brands."""
    return head[4:8] == FILE_TYPE and head[8:12] in _BRANDS


def boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Mp4Box]:
    """Yield the boxes of a part of a file, without those inside of them.

    Args:
        data: The file.
        begin: Where the part begins.
        end: Where it ends; by default at the end of the file.

    Raises:
        BadMp4: A box is longer than the part, or there are more than `MOST_BOXES`.
    """
    position, last = begin, len(data) if end is None else end
    for _ in range(MOST_BOXES):
        if position + _HEAD.size > last:
            return
        size, kind = _HEAD.unpack_from(data, position)
        head = _HEAD.size
        if size == 1 and position + head + _LARGE.size <= last:
            (size,) = _LARGE.unpack_from(data, position + head)
            head += _LARGE.size
        size = size or last - position
        if not head <= size <= last - position:
            raise BadMp4("a box has an impossible size")
        yield Mp4Box(kind, position, position + head, position + size)
        position += size
    raise BadMp4("too many boxes")


def box_at(data: bytes, *path: bytes) -> Mp4Box | None:
    """Return the first box with these types, from the outermost; None if there is none.

    Raises:
        BadMp4: As `boxes`.
    """
    begin, end, found = 0, len(data), None
    for kind in path:
        found = next((each for each in boxes(data, begin, end) if each.kind == kind), None)
        if found is None:
            return None
        begin, end = found.begin, found.end
    return found


def video_head(data: bytes) -> VideoHead:
    """Return size and length of the first video of a file.

    Raises:
        BadMp4: The file has no video, or its head is damaged.
    """
    movie = box_at(data, b"moov")
    if not is_mp4(data) or movie is None:
        raise BadMp4("the file is not an MP4")
    try:
        for track in boxes(data, movie.begin, movie.end):
            if track.kind == b"trak" and (found := _head_of(data, track)) is not None:
                return found
    except struct.error:
        raise BadMp4("the head of the file is damaged") from None
    raise BadMp4("the file has no video")


def _head_of(data: bytes, track: Mp4Box) -> VideoHead | None:
    header = _inside(data, track, b"tkhd")
    media = _inside(data, track, b"mdia")
    handler = media and _inside(data, media, b"hdlr")
    clock = media and _inside(data, media, b"mdhd")
    samples = media and _inside(data, media, b"minf", b"stbl", b"stsz")
    times = media and _inside(data, media, b"minf", b"stbl", b"stts")
    if not (header and handler and clock and samples and times):
        return None
    if data[handler.begin + 8 : handler.begin + 12] != b"vide":
        return None
    width, height = struct.unpack_from(">II", data, header.end - 8)
    (scale,) = struct.unpack_from(">I", data, clock.begin + (20 if data[clock.begin] == 1 else 12))
    # From frame to frame. The duration of the track also counts what reordered frames add to it.
    (step,) = struct.unpack_from(">I", data, times.begin + 12)
    (count,) = struct.unpack_from(">I", data, samples.begin + 8)
    return VideoHead(width >> 16, height >> 16, count, max(1, round(scale / step)) if step else 1)


def _inside(data: bytes, outer: Mp4Box, *path: bytes) -> Mp4Box | None:
    found: Mp4Box | None = outer
    for kind in path:
        if found is None:
            return None
        found = next((each for each in boxes(data, found.begin, found.end) if each.kind == kind), None)
    return found
