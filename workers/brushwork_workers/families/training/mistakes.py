"""What a trained classifier gets wrong: classes that it confuses, and its most confident mistakes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brushwork_schemas.kinds.explanations.mistakes import ConfusedPair, WrongPrediction
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.explanations.result import Explanation, ExplanationMap
from PIL import Image
from torch import Tensor

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.explanations.extra_calls import OnDone
from brushwork_workers.explanations.map_files import saved_map
from brushwork_workers.explanations.occlusion import occlusion
from brushwork_workers.families.training.dataset_split import DatasetSplit
from brushwork_workers.interface import JobContext

MOST_PAIRS = 10
# Each takes some fifty calls; all together less than an epoch of a few hundred pictures.
MOST_MISTAKES = 6
_SHARE_OF_SIDE = 4

LogitsOf = Callable[[Tensor], Tensor]
"""Returns the logits, [n, classes], of prepared pictures, uint8 [n, 3, side, side], from one call."""


def confused_pairs(
    confusion: Sequence[Sequence[int]], labels: Sequence[str], most: int = MOST_PAIRS
) -> tuple[ConfusedPair, ...]:
    """Return the classes that were taken for others, most frequent first.

    Args:
        confusion: The confusion matrix: rows are true classes, columns are answers.
        labels: The names of the classes.
        most: The most pairs to return.
    """
    wrong = [
        (count, row, column)
        for row, counts in enumerate(confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    wrong.sort(key=lambda each: (-each[0], each[1:]))
    return tuple(
        ConfusedPair(label=labels[row], prediction=labels[column], count=count)
        for count, row, column in wrong[:most]
    )


@dataclass(frozen=True)
class Mistake:
    """A validation picture that was classified wrong.

    Args:
        index: Its index among the validation pictures.
        prediction: Index of the class that was answered.
        score: The probability of that class, 0 to 1.
    """

    index: int
    prediction: int
    score: float


def most_confident_mistakes(logits: Tensor, labels: Tensor, most: int = MOST_MISTAKES) -> Sequence[Mistake]:
    """Return the wrong answers of the highest probabilities, of equal ones the first pictures.

    Args:
        logits: [pictures, classes].
        labels: The true classes, [pictures].
        most: The most mistakes to return.
    """
    scores, predictions = logits.softmax(dim=1).max(dim=1)
    wrong = (predictions != labels).nonzero()[:, 0].tolist()
    found = [Mistake(index, int(predictions[index]), float(scores[index])) for index in wrong]
    return sorted(found, key=lambda mistake: (-mistake.score, mistake.index))[:most]


@dataclass(frozen=True)
class MistakeReport:
    """Explains the mistakes of a trained network.

    Args:
        split: The dataset.
        logits_of: Runs the network.
        model_executor: Runs the extra calls.
        context: The context of the job.
        on_done: Called after each extra call.
    """

    split: DatasetSplit
    logits_of: LogitsOf
    model_executor: ModelExecutor
    context: JobContext
    on_done: OnDone

    def fields(self, logits: Tensor) -> dict[str, Any]:
        """Store the pictures and the maps of the mistakes, and return the fields of the result.

        Args:
            logits: The logits of the validation pictures, [pictures, classes]; no rows if there are none.
        """
        mistakes = most_confident_mistakes(logits, self.split.validation.labels) if len(logits) else ()
        pictures = [self._picture(mistake) for mistake in mistakes]
        made = [self._map(mistake, picture) for mistake, picture in zip(mistakes, pictures, strict=True)]
        wrong = [self._wrong(mistake, picture) for mistake, picture in zip(mistakes, pictures, strict=True)]
        explanation = Explanation(
            method="occlusion", maps=tuple(each for each, _ in made), num_calls=sum(num for _, num in made)
        )
        return {"wrong_predictions": tuple(wrong), "explanation": explanation}

    def _picture(self, mistake: Mistake) -> Image.Image:
        pixels = self.split.validation.pixels[mistake.index]
        return Image.fromarray(pixels.permute(1, 2, 0).numpy())

    def _wrong(self, mistake: Mistake, picture: Image.Image) -> WrongPrediction:
        split, index = self.split, mistake.index
        return WrongPrediction(
            file=split.validation_names[index],
            picture=self.context.save_picture(picture, source=None),
            label=split.labels[int(split.validation.labels[index])],
            prediction=split.labels[mistake.prediction],
            score=mistake.score,
        )

    def _map(self, mistake: Mistake, picture: Image.Image) -> tuple[ExplanationMap, int]:
        """Store the map of the class that was answered, and return it with the number of calls."""

        def score(covered: Image.Image) -> Sequence[float]:
            pixels = torch.from_numpy(np.array(covered)).permute(2, 0, 1)[None]
            return [float(self.logits_of(pixels).softmax(dim=1)[0, mistake.prediction])]

        explain = Explain(method="occlusion", patch_size=-(-picture.width // _SHARE_OF_SIDE))
        run_beside = self.model_executor.run_beside
        found = occlusion(picture, explain, [mistake.score], score, run_beside, self.on_done)
        label = self.split.labels[mistake.prediction]
        saved = saved_map(self.context, picture, found.map(0), label, score=mistake.score)
        return saved, found.num_calls
