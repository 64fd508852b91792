"""Overlapping tiles of equal size for a large picture. Each pixel of the result comes from one tile."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

# Pixels that a tile includes beyond the pixels it owns, on each side with a neighbour.
MARGIN = 16


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels of the picture.

    Args:
        start: The first pixel of the tile.
        stop: One past its last pixel.
        owned_start: The first pixel that the result takes from this tile.
        owned_stop: One past the last such pixel.
    """

    start: int
    stop: int
    owned_start: int
    owned_stop: int


def spans(length: int, side: int) -> list[Span]:
    """Divide `length` pixels into the fewest tiles of `side` pixels that overlap by at least twice `MARGIN`.

    All tiles have the same size, so that they can share batches; if the length does not divide evenly, they
    overlap more. The owned ranges meet in the middle of each overlap and add up to `length`. A length of at
    most `side` gives one tile of that length.
    """
    if length <= side:
        return [Span(0, length, 0, length)]
    number = -(-(length - 2 * MARGIN) // (side - 2 * MARGIN))
    starts = [round(index * (length - side) / (number - 1)) for index in range(number)]
    boundaries = [(left + side + right) // 2 for left, right in pairwise(starts)]
    parts = pairwise([0, *boundaries, length])
    return [Span(start, start + side, *part) for start, part in zip(starts, parts, strict=True)]


@dataclass(frozen=True)
class Tile:
    """A tile of a picture.

    Args:
        columns: The range from left to right.
        rows: The range from top to bottom.
    """

    columns: Span
    rows: Span

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The whole tile: left, top, right, bottom, in pixels of the picture."""
        return self.columns.start, self.rows.start, self.columns.stop, self.rows.stop

    def kept(self, scale: int) -> tuple[int, int, int, int]:
        """Return the owned part of the upscaled tile, counted from its corner: left, top, right, bottom."""
        left, top = self.columns.start, self.rows.start
        return (
            scale * (self.columns.owned_start - left),
            scale * (self.rows.owned_start - top),
            scale * (self.columns.owned_stop - left),
            scale * (self.rows.owned_stop - top),
        )

    def corner(self, scale: int) -> tuple[int, int]:
        """Return the position of the owned part in the upscaled picture: left, top."""
        return scale * self.columns.owned_start, scale * self.rows.owned_start


def tiles(size: tuple[int, int], side: int) -> Iterator[Tile]:
    """Yield the tiles of a picture, row by row.

    Args:
        size: Width and height of the picture, in pixels.
        side: The side of a tile, in pixels.
    """
    for rows in spans(size[1], side):
        for columns in spans(size[0], side):
            yield Tile(columns, rows)
