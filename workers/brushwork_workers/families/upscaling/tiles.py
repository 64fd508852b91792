"""A large picture in tiles of one size that overlap, and who answers for which part of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

# Pixels that a tile sees beyond what it answers for, on each side that has a neighbour.
MARGIN = 16


@dataclass(frozen=True)
class Span:
    """A tile along one axis, in pixels of the picture.

    Args:
        start: Its first pixel.
        stop: One past its last.
        first: First pixel that it answers for.
        last: One past the last of these.
    """

    start: int
    stop: int
    owned_start: int
    owned_stop: int


def spans(length: int, side: int) -> list[Span]:
    """Tiles of `side` pixels along `length`, as few as overlap by twice `MARGIN`; one where it fits.

    All are of one size, so that they share runs; they overlap more where the length does not divide. What
    they answer for meets in the middle of each overlap, and is `length` together.
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
    """A part of a picture.

    Args:
        across: From left to right.
        down: From top to bottom.
    """

    columns: Span
    rows: Span

    @property
    def box(self) -> tuple[int, int, int, int]:
        """What it sees: left, top, right, bottom, in pixels of the picture."""
        return self.columns.start, self.rows.start, self.columns.stop, self.rows.stop

    def kept(self, scale: int) -> tuple[int, int, int, int]:
        """Of the tile once it is `scale` times as large, what it answers for; counted from its own corner."""
        left, top = self.columns.start, self.rows.start
        return (
            scale * (self.columns.owned_start - left),
            scale * (self.rows.owned_start - top),
            scale * (self.columns.owned_stop - left),
            scale * (self.rows.owned_stop - top),
        )

    def corner(self, scale: int) -> tuple[int, int]:
        """Where in the larger picture that belongs."""
        return scale * self.columns.owned_start, scale * self.rows.owned_start


def tiles(size: tuple[int, int], side: int) -> Iterator[Tile]:
    """The tiles of a picture of that width and height, row by row."""
    for rows in spans(size[1], side):
        for columns in spans(size[0], side):
            yield Tile(columns, rows)
