"""The area of a picture that inpainting works on: a square crop around the mask, in the size of the model.

The model sees the colour of the surroundings and nothing else of the picture. Another object beside the mask
would look to it as if the prompt were already fulfilled.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

SHARE_OF_CROP = 0.5
"""The share of the side of a crop that the mask takes, if the picture is large enough."""
_MIN_COVERED = 0.75
"""The share of a cell that the mask must cover, for the cell to be generated."""
_GRID = 16

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class MaskedArea:
    """A square crop of a picture around its mask, and the cells of its latents that are generated.

    Args:
        picture: The input picture.
        mask: The binary mask, `[height, width]`, True where pixels are generated.
        box: Left, top, right and bottom of the crop, in pixels. It may exceed the picture.
        side: The side of the crop in the size of the model, in pixels.
        surroundings: The median colour of the pixels that are not masked, of the crop or of the picture.
        cells: The generated cells, `[1, 1, n, n]`. All others keep the colour of the surroundings.
    """

    picture: Image.Image
    mask: NDArray[np.bool_]
    box: tuple[int, int, int, int]
    side: int
    surroundings: tuple[int, int, int]
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
        pixels = np.asarray(picture.convert("RGB"))
        box = _crop_box(_largest_rectangle(chosen), max(chosen.shape))
        known = _cut(pixels, box)[~_cut(chosen, box)]
        known = known if len(known) else pixels.reshape(-1, 3)
        red, green, blue = (int(value) for value in np.median(known, axis=0))
        # A box filter, so that each value is a share of covered pixels.
        shares = Image.fromarray(_cut(chosen, box)).convert("L").resize((side, side), Image.Resampling.BOX)
        covered = np.asarray(shares).reshape(side // cell, cell, side // cell, cell).mean((1, 3)) / 255.0
        cells = torch.from_numpy(covered >= _MIN_COVERED)[None, None]
        return cls(picture, chosen, box, side, (red, green, blue), cells)

    def plain_crop(self) -> Image.Image:
        """Return a picture in the size of the model that has the colour of the surroundings alone."""
        return Image.new("RGB", (self.side, self.side), self.surroundings)

    def original_crop(self) -> Image.Image:
        """Return the crop in the size of the model, with the pixels under the mask."""
        crop = Image.fromarray(_cut(np.asarray(self.picture.convert("RGB")), self.box))
        return crop.resize((self.side, self.side), Image.Resampling.LANCZOS)

    def pasted(self, generated: Image.Image) -> Image.Image:
        """Return the input picture with the masked pixels from a generated crop. No other pixel changes."""
        left, top, right, bottom = self.box
        pasted = Image.new("RGB", self.picture.size, self.surroundings)
        pasted.paste(generated.resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top))
        return Image.composite(pasted, self.picture.convert("RGB"), Image.fromarray(self.mask))


def _crop_box(rectangle: Rectangle, longest: int) -> tuple[int, int, int, int]:
    """Return a square around the middle of a rectangle, in pixels, no larger than the picture."""
    left, top, right, bottom = rectangle
    side = min(max(round(min(right - left, bottom - top) / SHARE_OF_CROP), 2), longest)
    corner = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return corner[0], corner[1], corner[0] + side, corner[1] + side


def _cut(pixels: NDArray[Any], box: tuple[int, int, int, int]) -> NDArray[Any]:
    """Cut a box out of an array `[height, width, ...]`. Outside of the picture its border is repeated."""
    left, top, right, bottom = box
    rows = np.clip(np.arange(top, bottom), 0, pixels.shape[0] - 1)
    columns = np.clip(np.arange(left, right), 0, pixels.shape[1] - 1)
    return pixels[rows[:, None], columns[None, :]]


def _largest_rectangle(mask: NDArray[np.bool_]) -> Rectangle:
    """Return left, top, right and bottom of a large rectangle within the mask, in pixels.

    It is found on a grid of 16x16 cells over the bounding box: the one with the longest shorter side, and of
    these the largest. Of an empty mask, it is the whole picture.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0, 0, mask.shape[1], mask.shape[0]
    left, top, right, bottom = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    box = Image.fromarray(mask[top:bottom, left:right]).convert("L")
    grid = np.asarray(box.resize((_GRID, _GRID), Image.Resampling.BOX)) >= 255 * _MIN_COVERED
    width, height = (right - left) / _GRID, (bottom - top) / _GRID
    best, found = (0.0, 0.0), (0, 0, _GRID, _GRID)
    for x1, y1 in zip(*np.nonzero(grid.T), strict=True):
        reach = _GRID
        for y2 in range(y1 + 1, _GRID + 1):
            free = np.flatnonzero(~grid[y2 - 1, x1:reach])
            reach = x1 + int(free[0]) if len(free) else reach
            sides = (reach - x1) * width, (y2 - y1) * height
            if (rank := (min(sides), sides[0] * sides[1])) > best:
                best, found = rank, (int(x1), int(y1), reach, y2)
    x1, y1, x2, y2 = found
    return left + x1 * width, top + y1 * height, left + x2 * width, top + y2 * height
