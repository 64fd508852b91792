"""The name of the pixels of a picture or video, whatever its file."""

import hashlib
from collections.abc import Sequence

from PIL import Image


def pixels_sha256(picture: Image.Image) -> str:
    """Return the SHA-256 of the pixels of a picture, independent of its file.

    It is that of the text `RGB <width>x<height>` and a line feed, followed by the rows from the top, three
    bytes for each pixel. A picture with transparency has `RGBA` and four bytes.
    """
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    plain = picture if picture.mode == mode else picture.convert(mode)
    digest = hashlib.sha256(f"{mode} {plain.width}x{plain.height}\n".encode())
    digest.update(plain.tobytes())
    return digest.hexdigest()


def video_pixels_sha256(frames: Sequence[Image.Image], fps: int) -> str:
    """Return the SHA-256 of the pixels of a video, independent of its file.

    It is that of the text `RGB <width>x<height> <frames>@<fps>` and a line feed, followed by the rows of the
    first frame, and so on, three bytes for each pixel.

    Args:
        frames: The frames.
        fps: Frames per second.
    """
    width, height = frames[0].size
    digest = hashlib.sha256(f"RGB {width}x{height} {len(frames)}@{fps}\n".encode())
    for frame in frames:
        digest.update((frame if frame.mode == "RGB" else frame.convert("RGB")).tobytes())
    return digest.hexdigest()
