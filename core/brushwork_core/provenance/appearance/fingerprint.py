"""A perceptual hash with parts that can be indexed, and a thumbnail of colours that decides.

The hash is that of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010),
section 3.2.1: the signs of the lowest frequencies around their median. It is our own because Pillow alone
must do: the package imagehash needs numpy, scipy and PyWavelets, and a gateway has none of them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from operator import mul
from statistics import median

from PIL import Image

# Pixels of the thumbnail per side.
SIDE = 16
# Frequencies per side; without the mean colour, one more replaces it.
_FREQUENCIES = 8
_BITS_PER_BAND = 16
# So many bits of a band, those nearest to the median, may have changed: they are tried both ways.
_UNSURE_BITS = 3
# A picture with less contrast than this has nothing that could be recognized.
LEAST_CONTRAST = 1.5
# Of the contrast. Copies differ by less and pictures of other places by more: tests/perceptual_search.py.
MOST_DIFFERENCE = 0.3


@dataclass(frozen=True)
class Fingerprint:
    """What a picture looks like.

    Args:
        coefficients: 64 coefficients of its lowest frequencies, less their median.
        thumbnail: 16 x 16 pixels of three bytes.
    """

    coefficients: tuple[float, ...]
    thumbnail: bytes

    @classmethod
    def of(cls, picture: Image.Image) -> "Fingerprint":
        """Return what a picture looks like.

        Args:
            picture: Any size, as RGB in sRGB; other modes are converted.
        """
        # In the mode of a palette, Pillow would take one pixel of each square instead of the mean.
        small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        return cls.of_thumbnail(small.tobytes())

    @classmethod
    def of_thumbnail(cls, thumbnail: bytes) -> "Fingerprint":
        """Return the fingerprint that belongs to a thumbnail."""
        grey = [
            0.299 * red + 0.587 * green + 0.114 * blue
            for red, green, blue in zip(thumbnail[::3], thumbnail[1::3], thumbnail[2::3], strict=True)
        ]
        found = _low_frequencies([grey[start : start + SIDE] for start in range(0, SIDE * SIDE, SIDE)])
        middle = median(found)
        return cls(tuple(each - middle for each in found), thumbnail)

    @property
    def bands(self) -> tuple[int, ...]:
        """The hash, as four numbers of 16 bits."""
        return tuple(_number(part) for part in self._parts())

    def probes(self) -> list[list[int]]:
        """The values of each band that a copy of this picture may have."""
        return [sorted(_variants(part)) for part in self._parts()]

    def _parts(self) -> Iterator[Sequence[float]]:
        for start in range(0, len(self.coefficients), _BITS_PER_BAND):
            yield self.coefficients[start : start + _BITS_PER_BAND]


@dataclass(frozen=True)
class SearchedPicture:
    """A picture whose job is searched.

    Args:
        sha256: SHA-256 of its file.
        fingerprint: What it looks like.
        pixels_sha256: SHA-256 of its pixels; None if it is not known.
        unsigned_sha256: SHA-256 of its file without the signature; None if it is not known.
    """

    sha256: str
    fingerprint: Fingerprint
    pixels_sha256: str | None = None
    unsigned_sha256: str | None = None


def contrast(thumbnail: bytes) -> float:
    """Return the standard deviation of the colours of a thumbnail, 0 to 128."""
    # The mean of the squares less the square of the mean, in whole numbers until the division.
    squares = sum(map(mul, thumbnail, thumbnail))
    sums = sum(sum(thumbnail[channel::3]) ** 2 for channel in range(3))
    return math.sqrt((squares - 3 * sums / len(thumbnail)) / len(thumbnail))


def difference(one: bytes, other: bytes) -> float:
    """Return how much two thumbnails differ: the root mean square, in parts of the smaller contrast.

    Returns:
        0 for equal ones, about 1.4 for pictures that have nothing to do with each other; infinity if one of
        them shows too little to be recognized.
    """
    least = min(contrast(one), contrast(other))
    if least < LEAST_CONTRAST:
        return math.inf
    # Of each pair: a² - 2ab + b².
    squares = sum(map(mul, one, one)) - 2 * sum(map(mul, one, other)) + sum(map(mul, other, other))
    return math.sqrt(squares / len(one)) / least


def num_different_bits(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the Hamming distance of two hashes, 0 to 64."""
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


@cache
def _cosines() -> list[list[float]]:
    """The cosines of the discrete cosine transform, by frequency."""
    return [
        [math.cos(math.pi * frequency * (2 * place + 1) / (2 * SIDE)) for place in range(SIDE)]
        for frequency in range(_FREQUENCIES + 1)
    ]


def _low_frequencies(rows: Sequence[Sequence[float]]) -> list[float]:
    cosines = _cosines()
    across = [[sum(map(mul, row, wave)) for row in rows] for wave in cosines]
    found = [sum(map(mul, across[x], cosines[y])) for y in range(_FREQUENCIES) for x in range(_FREQUENCIES)]
    # The first is the mean of the picture, which says nothing about its shape.
    found[0] = sum(map(mul, across[_FREQUENCIES], cosines[0]))
    return found


def _number(part: Iterable[float]) -> int:
    return sum(1 << place for place, value in enumerate(part) if value > 0)


def _variants(part: Sequence[float]) -> set[int]:
    sure = _number(part)
    nearest = sorted(range(len(part)), key=lambda place: abs(part[place]))[:_UNSURE_BITS]
    return {
        sure ^ sum(1 << place for place in flipped)
        for number in range(_UNSURE_BITS + 1)
        for flipped in combinations(nearest, number)
    }
