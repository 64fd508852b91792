"""The area of a picture that inpainting works on: a square crop around the mask, in the size of the model."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

_SHARE_OF_CROP = 0.75
"""The share of the side of a crop that the mask takes, if the picture is large enough."""
_MIN_COVERED = 0.75
"""The share of a cell that the mask must cover, for the cell to be generated."""


@dataclass(frozen=True)
class MaskedArea:
    """A crop of a picture around its mask, and the cells of its latents that are generated.

    Args:
        picture: The input picture.
        mask: The binary mask, `[height, width]`, True where pixels are generated.
        box: Left, top, right and bottom of the crop, in pixels. It may exceed a picture that is not square.
        side: The side of the crop in the size of the model, in pixels.
        crop: The crop in the size of the model, where the masked pixels have the median colour of the others.
        cells: The generated cells, `[1, 1, n, n]`, a rectangle; all others keep the latents of `crop`.
    """

    picture: Image.Image
    mask: NDArray[np.bool_]
    box: tuple[int, int, int, int]
    side: int
    crop: Image.Image
    cells: torch.Tensor

    @classmethod
    def of(cls, picture: Image.Image, mask: Image.Image, side: int, cell: int) -> Self:
        """Crop a picture around its mask.

        Args:
            picture: The input picture.
            mask: The mask in the size of the picture. White pixels are generated.
            side: The side of the crop in the size of the model, in pixels.
            cell: The side of a cell of the latents, in pixels of the model.
        """
        chosen = np.asarray(mask.convert("L")) >= 128
        box = _crop_box(chosen)
        crop = _resized(_cut(np.asarray(picture.convert("RGB")), box), side)
        # A box filter, so that each value is a share of covered pixels.
        shares = Image.fromarray(_cut(chosen, box)).convert("L").resize((side, side), Image.Resampling.BOX)
        covered = np.asarray(shares) / 255.0
        pixels = np.asarray(crop).copy()
        known = covered == 0.0
        pixels[~known] = np.median(pixels[known], axis=0) if known.any() else 128
        cells = covered.reshape(side // cell, cell, side // cell, cell).mean((1, 3)) >= _MIN_COVERED
        generated = torch.from_numpy(_largest_rectangle(cells))[None, None]
        return cls(picture, chosen, box, side, Image.fromarray(pixels), generated)

    def original_crop(self) -> Image.Image:
        """Return the crop in the size of the model with the pixels under the mask."""
        return _resized(_cut(np.asarray(self.picture.convert("RGB")), self.box), self.side)

    def pasted(self, generated: Image.Image) -> Image.Image:
        """Return the input picture with the masked pixels from a generated crop. No other pixel changes."""
        left, top, right, bottom = self.box
        pasted = Image.new("RGB", self.picture.size)
        pasted.paste(generated.resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top))
        return Image.composite(pasted, self.picture.convert("RGB"), Image.fromarray(self.mask))


def _crop_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return a square around the mask, moved into the picture as far as it fits."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        rows, columns = np.arange(height), np.arange(width)
    sides = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    side = min(-(-max(sides) // _SHARE_OF_CROP), max(height, width))
    left = _start((columns[0] + columns[-1] + 1) / 2, side, width)
    top = _start((rows[0] + rows[-1] + 1) / 2, side, height)
    return left, top, left + int(side), top + int(side)


def _start(middle: float, side: float, length: int) -> int:
    if side >= length:
        return -int((side - length) // 2)
    return int(min(max(round(middle - side / 2), 0), length - side))


def _cut(pixels: NDArray[np.generic], box: tuple[int, int, int, int]) -> NDArray[np.generic]:
    """Cut a box out of an array `[height, width, ...]`. Outside of the picture its border is repeated."""
    left, top, right, bottom = box
    rows = np.clip(np.arange(top, bottom), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, pixels.shape[1] - 1)
    return pixels[rows[:, None], columns[None, :]]


def _resized(pixels: NDArray[np.generic], side: int) -> Image.Image:
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)


def _largest_rectangle(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rectangle of covered cells with the longest shorter side, and of these the largest.

    Without a covered cell, the result is empty.
    """
    best, chosen = (0, 0), np.zeros_like(cells)
    size = len(cells)
    for top in range(size):
        for left in range(size):
            for bottom in range(top + 1, size + 1):
                for right in range(left + 1, size + 1):
                    if not cells[bottom - 1, left:right].all() or not cells[top:bottom, left:right].all():
                        break
                    height, width = bottom - top, right - left
                    if (rank := (min(height, width), height * width)) > best:
                        best, chosen = rank, np.zeros_like(cells)
                        chosen[top:bottom, left:right] = True
    return chosen
