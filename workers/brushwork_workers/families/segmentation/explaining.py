"""Explain a segmentation: how sure the model is of each pixel, and which parts speak for a class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.explanations.result import Explanation, ExplanationMap
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.explanations.extra_calls import CallProgress
from brushwork_workers.explanations.map_files import saved_map
from brushwork_workers.explanations.occlusion import Occlusion, occlusion
from brushwork_workers.families.segmentation.certainty import PixelScores
from brushwork_workers.interface import JobContext

_MOST_NAMED = 5


@dataclass(frozen=True)
class ExplainedPicture:
    """A segmented picture that can be explained.

    Args:
        picture: The picture.
        scores: What the model says about its pixels.
        labels: The classes that a request may name.
        scores_of: Segments a changed picture.
        model_executor: Runs the calls.
    """

    picture: Image.Image
    scores: PixelScores
    labels: Sequence[str]
    scores_of: Callable[[Image.Image], PixelScores]
    model_executor: ModelExecutor

    def explanation(self, request: ImageSegmentationRequest, context: JobContext) -> Explanation | None:
        """Make the explanation that a request asks for; None if it asks for none.

        The score of a class is the mean of its probability over the pixels where the model sees it, or over
        all pixels if it sees it nowhere.

        Raises:
            InvalidRequest: The model has no class of the name in `explain.target`.
        """
        explain = request.explain
        if explain is None:
            return None
        if explain.target is not None:
            _check_target(explain.target, self.labels)
        progress = CallProgress(context, num_calls(request, *self.picture.size))
        progress()
        maps, found = self._certainty_maps(context), None
        if explain.target is not None:
            found = self._occlusion(explain, explain.target, progress)
            score = float(found.own[0])
            maps += (saved_map(context, self.picture, found.map(0), explain.target, score=score),)
        return Explanation(
            method="confidence",
            target=explain.target,
            maps=maps,
            baseline=None if found is None else float(found.baseline[0]),
            num_calls=0 if found is None else found.num_calls,
        )

    def _certainty_maps(self, context: JobContext) -> tuple[ExplanationMap, ...]:
        """Store the maps `confidence` and `entropy`; the score of each is its mean."""
        found = self.scores.certainty((self.picture.height, self.picture.width))
        named = {"confidence": found.confidence, "entropy": found.entropy}
        return tuple(
            saved_map(context, self.picture, values, label, score=float(values.mean()))
            for label, values in named.items()
        )

    def _occlusion(self, explain: Explain, target: str, progress: CallProgress) -> Occlusion:
        region = self.scores.region(target)

        def score(scores: PixelScores) -> float:
            return _mean(scores.probability(target), region)

        return occlusion(
            self.picture,
            explain,
            [score(self.scores)],
            lambda covered: [score(self.scores_of(covered))],
            self.model_executor.run_beside,
            progress,
        )


def _mean(probability: Tensor, region: Tensor) -> float:
    return float(probability[region].mean() if region.any() else probability.mean())


def _check_target(target: str, labels: Sequence[str]) -> None:
    if target in labels:
        return
    close = nearest_name(target, labels)
    hint = said("Use one of its classes, such as {labels}.", labels=list(labels[:_MOST_NAMED]))
    raise InvalidRequest(
        said("explain.target: the model has no class {target!r}.", target=target),
        field="explain.target",
        hint=said("Did you mean {label!r}?", label=close) if close else hint,
    )
