"""How well a map agrees with the model: deletion and insertion (Petsiuk et al., "RISE", 2018)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from brushwork_schemas.kinds.explanations.calls import FAITHFULNESS_STEPS
from brushwork_schemas.kinds.explanations.request import Explain, Fill
from brushwork_schemas.kinds.explanations.result import Faithfulness
from PIL import Image

from brushwork_workers.explanations.extra_calls import OnDone, RunBeside
from brushwork_workers.explanations.fills import DEFAULT_FILL, covering

Score = Callable[[Image.Image], float]
"""Returns the score of a picture, from one call of the model."""
# As in the paper, the parts appear from a picture out of focus, whose sharp edges form no shape.
_INSERTED_INTO: Fill = "blur"


def faithfulness(
    picture: Image.Image,
    values: npt.NDArray[np.float32],
    explain: Explain,
    own: float,
    score_of: Score,
    run_beside: RunBeside,
    on_done: OnDone | None = None,
) -> Faithfulness:
    """Measure how the score changes while the most important pixels are covered, and uncovered, first.

    Args:
        picture: The picture, in mode RGB.
        values: The map: [height, width].
        explain: Gives `fill` for both curves. By default pixels are replaced by the mean colour, and appear
            in the picture out of focus.
        own: The score of the whole picture.
        score_of: Returns the score of a changed picture.
        run_beside: Runs the 2 * `FAITHFULNESS_STEPS` calls; see `ModelExecutor.run_beside`.
        on_done: Called after each call; see `run_beside`.
    """
    # Equal values are taken row by row.
    order = np.argsort(-values, axis=None, kind="stable").astype(np.int32)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order), dtype=np.int32)
    ranks = ranks.reshape(values.shape)
    ends = [round(step * ranks.size / FAITHFULNESS_STEPS) for step in range(FAITHFULNESS_STEPS + 1)]
    deleted = covering(picture, explain.fill or DEFAULT_FILL)
    hidden = covering(picture, explain.fill or _INSERTED_INTO)
    calls = [partial(_score_of_mixed, picture, deleted, ranks, end, score_of) for end in ends[1:]]
    calls += [partial(_score_of_mixed, hidden, picture, ranks, end, score_of) for end in ends[:-1]]
    scores = run_beside(calls, on_done=on_done)
    deletion = [own, *scores[:FAITHFULNESS_STEPS]]
    insertion = [*scores[FAITHFULNESS_STEPS:], own]
    return Faithfulness(deletion=_area(deletion), insertion=_area(insertion))


def _score_of_mixed(
    below: Image.Image, above: Image.Image, ranks: npt.NDArray[np.int32], end: int, score_of: Score
) -> float:
    """Return the score of `below` whose `end` most important pixels are those of `above`."""
    mixed = below.copy()
    mixed.paste(above, mask=Image.fromarray(ranks < end))
    return score_of(mixed)


def _area(curve: Sequence[float]) -> float:
    """Return the area under a curve whose points have equal distances on 0 to 1."""
    return float(np.trapezoid(curve, dx=1 / (len(curve) - 1)))
