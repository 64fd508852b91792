"""Encode a video with its marks: an MP4 with H.264. PyAV writes it, with the encoder x264."""

import struct
import uuid
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from brushwork_schemas.artifact.mp4 import BadMp4, boxes
from brushwork_schemas.errors import MissingExtra
from brushwork_schemas.wording.phrase import said
from PIL import Image, ImageOps

# Adobe's XMP specification, part 3: XMP in an ISO file is a box of this type at its outermost level.
_XMP = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_UUID = b"uuid"
# Where ffmpeg and its many users write a text about a file.
COMMENT = "comment"
# One thread, since the bytes depend on their number. No text about the program and its version.
_OPTIONS = {
    "preset": "medium",
    "crf": "16",
    "threads": "1",
    "x264-params": "threads=1:lookahead-threads=1:sliced-threads=0",
    "flags": "+bitexact",
}
# The head of the file before the pictures, so that a player begins before it has the whole file; and texts
# under the names that they are given.
_CONTAINER = {"movflags": "+faststart+use_metadata_tags", "fflags": "+bitexact"}
_BT709 = 1


def library() -> ModuleType:
    """Return the library PyAV.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra(
            said("Videos need PyAV, which is not installed here."),
            hint="Install it: pip install 'brushwork[workers]'",
        ) from error
    found: ModuleType = av
    return found


def encoded_video(
    frames: Sequence[Image.Image], fps: int, xmp: bytes | None = None, texts: Mapping[str, str] | None = None
) -> bytes:
    """Return the file of a video. Equal arguments give equal bytes, with one version of the encoder.

    H.264 stores colours for each square of four pixels, so both sides must be even: the last row or column of
    a frame with an odd side is repeated once.

    Args:
        frames: The frames, all of one size.
        fps: Frames per second.
        xmp: An XMP packet.
        texts: Texts by name, for the list of `Keys` of the file.

    Raises:
        MissingExtra: PyAV is not installed.
    """
    av = library()
    # The head is moved to the front by reading the file again, which needs one with a name.
    with TemporaryDirectory(prefix="brushwork-video-") as folder:
        file = Path(folder, "video.mp4")
        with av.open(str(file), "w", format="mp4", container_options=_CONTAINER) as container:
            container.metadata.update(texts or {})
            _write(av, container, frames, fps)
        data = file.read_bytes()
    return data if xmp is None else data + _box(_UUID, _XMP + xmp)


def xmp_of(data: bytes) -> bytes:
    """Return the XMP packet of an MP4; empty if it has none, or cannot be read."""
    try:
        for box in boxes(data):
            if box.kind == _UUID and data[box.begin : box.begin + len(_XMP)] == _XMP:
                return data[box.begin + len(_XMP) : box.end]
    except BadMp4:
        return b""
    return b""


def _write(av: ModuleType, container: Any, frames: Sequence[Image.Image], fps: int) -> None:
    stream = _stream(container, fps, _even(frames[0].size))
    for number, picture in enumerate(frames):
        container.mux(stream.encode(_frame(av, picture, number)))
    container.mux(stream.encode(None))


def _stream(container: Any, fps: int, size: tuple[int, int]) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(fps), options=_OPTIONS)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = Fraction(1, fps)
    context = stream.codec_context
    # Players guess the colours of a file that does not state them, and guess differently.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = 1
    return stream


def _frame(av: ModuleType, picture: Image.Image, number: int) -> Any:
    plain = picture if picture.mode == "RGB" else picture.convert("RGB")
    if (size := _even(plain.size)) != plain.size:
        plain = _padded(plain, size)
    frame = av.VideoFrame.from_image(plain)
    frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    frame.pts = number
    return frame


def _even(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def _padded(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    larger = ImageOps.expand(picture, (0, 0, size[0] - picture.width, size[1] - picture.height))
    if size[0] > picture.width:
        larger.paste(picture.crop((picture.width - 1, 0, *picture.size)), (picture.width, 0))
    if size[1] > picture.height:
        larger.paste(larger.crop((0, picture.height - 1, size[0], picture.height)), (0, picture.height))
    return larger


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content
