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
    first: int
    last: int


def spans(length: int, side: int) -> list[Span]:
    """Tiles of `side` pixels along `length`, as few as overlap by twice `MARGIN`; one where it fits.

    All are of one size, so that they share runs; they overlap more where the length does not divide. What
    they answer for meets in the middle of each overlap, and is `length` together.
    """
    if length <= side:
        return [Span(0, length, 0, length)]
    number = -(-(length - 2 * MARGIN) // (side - 2 * MARGIN))
    starts = [round(index * (length - side) / (number - 1)) for index in range(number)]
    seams = [(left + side + right) // 2 for left, right in pairwise(starts)]
    parts = pairwise([0, *seams, length])
    return [Span(start, start + side, *part) for start, part in zip(starts, parts, strict=True)]


@dataclass(frozen=True)
class Tile:
    """A part of a picture.

    Args:
        across: From left to right.
        down: From top to bottom.
    """

    across: Span
    down: Span

    @property
    def box(self) -> tuple[int, int, int, int]:
        """What it sees: left, top, right, bottom, in pixels of the picture."""
        return self.across.start, self.down.start, self.across.stop, self.down.stop

    def kept(self, scale: int) -> tuple[int, int, int, int]:
        """Of the tile once it is `scale` times as large, what it answers for; counted from its own corner."""
        left, top = self.across.start, self.down.start
        return (
            scale * (self.across.first - left),
            scale * (self.down.first - top),
            scale * (self.across.last - left),
            scale * (self.down.last - top),
        )

    def corner(self, scale: int) -> tuple[int, int]:
        """Where in the larger picture that belongs."""
        return scale * self.across.first, scale * self.down.first


def tiles(size: tuple[int, int], side: int) -> Iterator[Tile]:
    """The tiles of a picture of that width and height, row by row."""
    for down in spans(size[1], side):
        for across in spans(size[0], side):
            yield Tile(across, down)
