"""Frames of a video that was drawn: a red square moves to the left over a light ground."""

import io
from collections.abc import Sequence

import av
import numpy as np
from PIL import Image, ImageDraw

GROUND, RED = (245, 240, 225), (200, 30, 30)


def moving_square(num_frames: int = 16, size: tuple[int, int] = (96, 64)) -> list[Image.Image]:
    """The frames of the video."""
    found = []
    width, height = size
    side = min(size) // 4
    for number in range(num_frames):
        frame = Image.new("RGB", size, GROUND)
        left = round((width - side) * (1 - number / max(1, num_frames - 1)))
        top = (height - side) // 2
        ImageDraw.Draw(frame).rectangle((left, top, left + side - 1, top + side - 1), fill=RED)
        found.append(frame)
    return found


def decoded(data: bytes) -> list[Image.Image]:
    """The frames of an MP4, by ffmpeg's decoder."""
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def difference(one: Sequence[Image.Image], other: Sequence[Image.Image]) -> float:
    """The mean difference of the frames of two videos, in parts of the range."""
    values = [
        np.asarray([np.asarray(frame.convert("RGB")) for frame in each], float) for each in (one, other)
    ]
    return float(np.abs(values[0] - values[1]).mean() / 255)
