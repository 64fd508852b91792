"""Where the input of a network lies in the picture, however it was resized, cropped or padded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

Floats = npt.NDArray[np.float32]
_WHITE = 255


@dataclass(frozen=True)
class Axis:
    """How the pixels of a network's input lie along one side of the picture.

    Args:
        start: Place of the left or upper edge of the input, in pixels of the picture.
        step: Pixels of the picture for each pixel of the input.
    """

    start: float
    step: float


@dataclass(frozen=True)
class InputPlace:
    """The part of a picture that a network sees.

    Args:
        x: Along the width.
        y: Along the height.
        width: Width of the input in pixels.
        height: Height of the input in pixels.
    """

    x: Axis
    y: Axis
    width: int
    height: int

    @classmethod
    def of(cls, size: tuple[int, int], pixels_of: Callable[[Image.Image], Tensor]) -> "InputPlace":
        """Find the place by the preprocessing of two pictures that show their own coordinates.

        Args:
            size: Width and height of the picture.
            pixels_of: Preprocesses a picture: [1, 3, height, width]. Each colour may be scaled and shifted.
        """
        black, white = (_prepared(pixels_of, Image.new("RGB", size, (v, v, v))) for v in (0, _WHITE))
        ramps = _prepared(pixels_of, _coordinates(*size))
        # Undoes the normalisation: 0 for black, 1 for white. Padding is equal in both.
        span = white - black
        places = (ramps - black) / np.where(np.abs(span) > 1e-6, span, np.nan)
        height, width = places.shape[1:]
        x = _axis(np.nanmedian(places[0], axis=0), size[0])
        y = _axis(np.nanmedian(places[1], axis=1), size[1])
        return cls(x, y, width, height)

    def in_picture(self, values: Floats, size: tuple[int, int]) -> Floats:
        """Return a map of the input as a map of the picture: 0 where the network sees nothing.

        Args:
            values: The map: [rows, columns], which together cover the input.
            size: Width and height of the picture.
        """
        rows, columns = values.shape
        step_x = self.x.step * self.width / columns
        step_y = self.y.step * self.height / rows
        # Pixels outside of the map are 0 in Pillow; its own edge must not fade.
        padded = Image.fromarray(np.pad(values, 1, mode="edge"))
        affine = (1 / step_x, 0.0, 1 - self.x.start / step_x, 0.0, 1 / step_y, 1 - self.y.start / step_y)
        moved = padded.transform(size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
        return np.asarray(moved, np.float32) * self._seen(size)

    def _seen(self, size: tuple[int, int]) -> Floats:
        """Return 1 for the pixels of the picture that the network sees, else 0: [height, width]."""
        x, y = (np.arange(length) + 0.5 for length in size)
        inside_x = (x >= self.x.start) & (x <= self.x.start + self.x.step * self.width)
        inside_y = (y >= self.y.start) & (y <= self.y.start + self.y.step * self.height)
        return np.asarray(inside_y[:, None] & inside_x[None, :], np.float32)


def _prepared(pixels_of: Callable[[Image.Image], Tensor], picture: Image.Image) -> npt.NDArray[np.float64]:
    return pixels_of(picture)[0].double().cpu().numpy()


def _coordinates(width: int, height: int) -> Image.Image:
    """Return a picture whose red grows with x and whose green grows with y."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for channel, length in ((0, width), (1, height)):
        ramp = np.round((np.arange(length) + 0.5) / length * _WHITE).astype(np.uint8)
        pixels[..., channel] = ramp[None, :] if channel == 0 else ramp[:, None]
    return Image.fromarray(pixels)


def _axis(shares: npt.NDArray[np.float64], length: int) -> Axis:
    """Return the line through the coordinates of the pixels along one side.

    Args:
        shares: The coordinate of each pixel of the input, as a share of the side; NaN in padding.
        length: Length of the side of the picture in pixels.
    """
    # The filter of a resize bends the ramp at its ends.
    known = np.isfinite(shares) & (shares > 0.05) & (shares < 0.95)
    if known.sum() < 2:
        return Axis(0.0, length / len(shares))
    step, first = np.polyfit(np.flatnonzero(known) + 0.5, shares[known] * length, 1)
    return Axis(float(first), float(step))
