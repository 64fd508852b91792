"""Where occlusion covers a picture, and how many extra calls an explanation takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.changed_words import changes_of
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.wording.phrase import said

MOST_CALLS = 1024
"""The most extra calls of one job."""
TYPICAL_SIDE = 1024
"""Side in pixels of the picture that stands for one that is not read yet."""
MOST_WINDOWS_BY_DEFAULT = 256
_GROWTH = 1.25
# Measured on colour words of captions of drawn pictures: with the default squares alone, .4 of their maps is
# inside their object, with these as well .6. A large object keeps its colour until most of it is covered.
_LARGE_SHARES_OF_SIDE = (5 / 16, 1 / 2, 5 / 8, 3 / 4)
# All sizes together stay within `MOST_CALLS`, also for long pictures.
_MOST_LARGE_WINDOWS = (MOST_CALLS - MOST_WINDOWS_BY_DEFAULT - 2) // len(_LARGE_SHARES_OF_SIDE) - 1
# Larger squares also cover what is beside a small object; smaller ones leave enough of a large one to see.
_SHARE_OF_SIDE = 3 / 16
FAITHFULNESS_STEPS = 16
"""Points of each of the two curves after the first; each is one call."""
GRADIENT_STEPS = 16
"""Default of `num_samples` for integrated gradients."""


@dataclass(frozen=True)
class Window:
    """A square part of a picture, in pixels; `right` and `bottom` are outside of it."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Grid:
    """The positions of the square, which together cover all of a picture.

    Args:
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        patch: Side of the square in pixels.
        stride: Distance between two positions in pixels, at most `patch`.
    """

    width: int
    height: int
    patch: int
    stride: int

    @classmethod
    def of(cls, width: int, height: int, explain: Explain) -> "Grid":
        """Return the grid of a picture.

        Args:
            width: Width of the picture in pixels.
            height: Height of the picture in pixels.
            explain: Gives `patch_size` and `stride`. Defaults suit all pictures, also very long ones.
        """
        patch = explain.patch_size or math.ceil(min(width, height) * _SHARE_OF_SIDE)
        while True:
            grid = cls(width, height, patch, min(explain.stride or math.ceil(patch / 2), patch))
            if explain.patch_size or grid.num_windows <= MOST_WINDOWS_BY_DEFAULT:
                return grid
            patch = math.ceil(patch * _GROWTH)

    @property
    def num_windows(self) -> int:
        """Number of positions."""
        return self._num(self.width) * self._num(self.height)

    def windows(self) -> Sequence[Window]:
        """Return the covered parts, row by row. There are `num_windows` of them."""
        return [
            Window(left, top, min(left + self.patch, self.width), min(top + self.patch, self.height))
            for top in self._starts(self.height)
            for left in self._starts(self.width)
        ]

    def _num(self, length: int) -> int:
        return 1 + math.ceil(max(0, length - self.patch) / self.stride)

    def _starts(self, length: int) -> Sequence[int]:
        last = max(0, length - self.patch)
        return [*range(0, last, self.stride), last]


def word_choices(explain: Explain, width: int, height: int) -> Sequence[Explain]:
    """Return the choice for each size of the square with which the words of a caption are explained.

    Small squares show the outline of what a word depends on. But a word such as a colour depends on any part
    of an object: only a square that covers most of it lowers the word's probability. So there are several
    sizes, the smallest first, unless the request sets one.

    Args:
        explain: The complete choice of the request.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """
    if explain.patch_size or explain.stride:
        return (explain,)
    sides = (math.ceil(min(width, height) * share) for share in _LARGE_SHARES_OF_SIDE)
    return explain, *(_with_patch(explain, width, height, patch) for patch in sides)


def _with_patch(explain: Explain, width: int, height: int, patch: int) -> Explain:
    """Return a choice with squares of this side or, for a long picture, the next larger ones."""
    while True:
        chosen = explain.model_copy(update={"patch_size": patch, "stride": math.ceil(patch / 4)})
        if Grid.of(width, height, chosen).num_windows <= _MOST_LARGE_WINDOWS:
            return chosen
        patch = math.ceil(patch * _GROWTH)


def num_calls(request: Any, width: int, height: int) -> int:
    """Return how many extra calls the explanation of a complete request takes; 0 without one.

    Args:
        request: The request.
        width: Width of the input picture in pixels; 0 if it has none.
        height: Height of the input picture in pixels; 0 if it has none.
    """
    explain = getattr(request, "explain", None)
    if not isinstance(explain, Explain):
        return 0
    covered = Grid.of(width, height, explain).num_windows + 1 if width and height else 0
    curves = 2 * FAITHFULNESS_STEPS if explain.faithfulness else 0
    match explain.method:
        case "occlusion":
            return covered + curves
        case "integrated-gradients":
            return (explain.num_samples or GRADIENT_STEPS) + 1 + curves
        case "grad-cam":
            return 1 + curves
        case "confidence":
            return covered if explain.target else 0
        case "tokens":
            grids = [Grid.of(width, height, each) for each in word_choices(explain, width, height)]
            # The caption is also scored with the whole picture.
            return sum(grid.num_windows + 1 for grid in grids) + 1
        case "words":
            return sum(len(change.prompts) for change in changes_of(request))
    return 0


def estimated_calls(request: Any) -> int:
    """Return how many extra calls a request counts for budgets, before its picture is read.

    The number depends on the size of the picture only if the request sets `patch_size` or `stride`. Then it
    is that of a picture of `TYPICAL_SIDE`, and at most `MOST_CALLS`.

    Args:
        request: A complete request.
    """
    return min(MOST_CALLS, num_calls(request, TYPICAL_SIDE, TYPICAL_SIDE))


def check_num_calls(request: Any, width: int, height: int) -> None:
    """Refuse an explanation that takes too many calls.

    Args:
        request: The request.
        width: Width of the input picture in pixels; 0 if it has none.
        height: Height of the input picture in pixels; 0 if it has none.

    Raises:
        InvalidRequest: It takes more than `MOST_CALLS`.
    """
    number = num_calls(request, width, height)
    if number <= MOST_CALLS:
        return
    by_words = request.explain.method == "words"
    raise InvalidRequest(
        said(
            "explain: it would take {number} calls, more than {most}.",
            number=number,
            most=MOST_CALLS,
        ),
        field="explain.num_samples" if by_words else "explain.stride",
        hint="Use fewer words, or a smaller num_samples."
        if by_words
        else "Use a larger stride or patch_size.",
    )
