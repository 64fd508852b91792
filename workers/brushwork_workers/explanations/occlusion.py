"""Occlusion: cover one part of the picture after the other, and see how much the score falls.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", 2014. The model is a black box: any
model that gives a picture a score can be explained.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from brushwork_schemas.kinds.explanations.calls import Grid, Window
from brushwork_schemas.kinds.explanations.request import Explain
from PIL import Image

from brushwork_workers.explanations.extra_calls import OnDone, RunBeside
from brushwork_workers.explanations.fills import DEFAULT_FILL, covering

Floats = npt.NDArray[np.float32]
Scores = Callable[[Image.Image], Sequence[float]]
"""Returns the scores of a picture, from one call: probabilities, or logarithms of probabilities."""
# A map is empty if no part changes the logarithm of the odds by as much: then the answer depends on no single
# part. With the pocket classifier some part of each of 500 pictures changes them by 4.8 or more; with weights
# that are shuffled, no part by more than 0.27.
LEAST_CHANGE = 0.3
_CERTAIN = 1e-6
# Standard deviation of the weights of a window, as a share of its side.
_SIGMA = 0.1


@dataclass(frozen=True)
class Occlusion:
    """How much each score falls while each part of a picture is covered.

    Args:
        grid: The covered parts.
        own: The scores of the whole picture: [scores].
        baseline: The scores of the wholly covered picture: [scores].
        drops: What each score loses while each part is covered: [windows, scores].
    """

    grid: Grid
    own: Floats
    baseline: Floats
    drops: Floats

    @property
    def num_calls(self) -> int:
        """Number of calls that were made."""
        return len(self.drops) + 1

    def map(self, index: int) -> Floats:
        """Return the map of one score: [height, width], at least 0, of the picture's size.

        The value of a pixel is the mean fall of the score while it and its surroundings are covered; 0 if the
        score rises. All values are 0 if no part lowers the odds by `LEAST_CHANGE`.

        Args:
            index: Which of the scores.
        """
        grid, drops = self.grid, self.drops[:, index]
        if _change(float(self.own[index]), drops) < LEAST_CHANGE:
            return np.zeros((grid.height, grid.width), np.float32)
        return np.maximum(_mean_over_windows(grid, drops), np.float32(0))


def occlusion(
    picture: Image.Image,
    explain: Explain,
    own: Sequence[float],
    scores_of: Scores,
    run_beside: RunBeside,
    on_done: OnDone | None = None,
) -> Occlusion:
    """Cover each part of a picture in turn, and last all of it.

    Args:
        picture: The picture, in mode RGB.
        explain: Gives `patch_size`, `stride` and `fill`.
        own: The scores of the whole picture.
        scores_of: Returns the scores of a covered picture, in the order of `own`.
        run_beside: Runs the calls; see `ModelExecutor.run_beside`.
        on_done: Called after each call; see `run_beside`.
    """
    grid = Grid.of(*picture.size, explain)
    cover = covering(picture, explain.fill or DEFAULT_FILL)
    whole = Window(0, 0, *picture.size)
    # A covered picture exists only while its call runs: hundreds of large ones would not fit into memory.
    calls = [partial(_scores_without, picture, cover, window, scores_of) for window in grid.windows()]
    calls.append(partial(_scores_without, picture, cover, whole, scores_of))
    scores = np.array(run_beside(calls, on_done=on_done), np.float32)
    before = np.array(own, np.float32)
    return Occlusion(grid, before, scores[-1], before - scores[:-1])


def _scores_without(
    picture: Image.Image, cover: Image.Image, window: Window, scores_of: Scores
) -> Sequence[float]:
    box = (window.left, window.top, window.right, window.bottom)
    covered = picture.copy()
    covered.paste(cover.crop(box), box)
    return scores_of(covered)


def _change(own: float, drops: Floats) -> float:
    """Return the most that a part lowers the logarithm of the odds, or the logarithm that is given."""
    drop = float(drops.max())
    if own - drop < -_CERTAIN:
        return drop
    before, after = (min(max(score, _CERTAIN), 1 - _CERTAIN) for score in (own, own - drop))
    return math.log(before / (1 - before)) - math.log(after / (1 - after))


def _mean_over_windows(grid: Grid, values: Floats) -> Floats:
    """Return the mean value of the windows around each pixel: [height, width].

    A window counts mostly around its middle, so a map is about as fine as the windows are close.

    Args:
        grid: The windows.
        values: The value of each: [windows].
    """
    windows = grid.windows()
    tops, lefts = sorted({each.top for each in windows}), sorted({each.left for each in windows})
    by_row = _weights(tops, grid.height, grid.patch)
    by_column = _weights(lefts, grid.width, grid.patch)
    table = values.reshape(len(tops), len(lefts)).astype(np.float64)
    total = by_row.T @ table @ by_column
    return np.asarray(total / np.outer(by_row.sum(axis=0), by_column.sum(axis=0)), np.float32)


def _weights(starts: Sequence[int], length: int, patch: int) -> npt.NDArray[np.float64]:
    """Return the weight of each position along one side for each pixel: [positions, length]."""
    middles = np.array(starts)[:, None] + (min(patch, length) - 1) / 2
    return np.asarray(np.exp(-(((np.arange(length) - middles) / (_SIGMA * patch)) ** 2) / 2))
