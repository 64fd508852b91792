"""Explain the class of a picture: occlusion, integrated gradients, Grad-CAM."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.calls import FAITHFULNESS_STEPS, GRADIENT_STEPS, num_calls
from brushwork_schemas.kinds.explanations.request import Explain, Fill
from brushwork_schemas.kinds.explanations.result import Explanation, Faithfulness
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.wording.nearest_name import nearest_name
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.explanations.extra_calls import CallProgress, RunBeside
from brushwork_workers.explanations.faithfulness import faithfulness
from brushwork_workers.explanations.fills import covering
from brushwork_workers.explanations.gradients import ScoreGradients
from brushwork_workers.explanations.input_place import InputPlace
from brushwork_workers.explanations.map_files import saved_map
from brushwork_workers.explanations.occlusion import occlusion
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.interface import JobContext

Floats = npt.NDArray[np.float32]
# The picture out of focus has the colours of the picture and none of its edges.
_PATH_BEGINS_WITH: Fill = "blur"


@dataclass(frozen=True)
class DifferentiableClassifier:
    """What the methods that need gradients know of a classifier.

    Args:
        gradients: Differentiates the network.
        pixels_of: Prepares a picture: [1, 3, height, width]. It raises `InvalidRequest` if the network takes
            anything else.
        direction_of: Returns the direction of a class, by its index; see `ScoreGradients`.
    """

    gradients: ScoreGradients
    pixels_of: Callable[[Image.Image], Tensor]
    direction_of: Callable[[int], Tensor]


@dataclass(frozen=True)
class ExplainableClassifier:
    """What an explanation needs of a classifier, for the labels of one request.

    Args:
        labels: The names of the classes.
        scores_of: Returns the probabilities of a picture, [classes], 0 to 1, from one call of the model.
        model_executor: Runs the calls.
        differentiable: For the methods that need gradients.
    """

    labels: Sequence[str]
    scores_of: Callable[[Image.Image], Tensor]
    model_executor: ModelExecutor
    differentiable: DifferentiableClassifier


def explained(
    classifier: ExplainableClassifier, request: ImageClassificationRequest, context: JobContext
) -> dict[str, Any]:
    """Classify one picture and explain the best class, or the one that the request names.

    Raises:
        InvalidRequest: The model has no such class, or cannot be explained by the method.
    """
    explain = request.explain or Explain(method="occlusion")
    picture = context.picture(request.image)
    progress = CallProgress(context, num_calls(request, *picture.size))
    scores = classifier.scores_of(picture)
    progress()
    target = _index_of(explain.target, classifier.labels, scores)
    label, own = classifier.labels[target], float(scores[target])
    explaining = _Explaining(classifier, picture, explain, target, own, progress)
    found = explaining.found()
    measured = explaining.faithfulness(found.values) if explain.faithfulness else None
    explanation = Explanation(
        method=str(explain.method),
        target=label,
        maps=(saved_map(context, picture, found.values, label, score=own),),
        baseline=found.baseline,
        faithfulness=measured,
        num_calls=found.num_calls + (2 * FAITHFULNESS_STEPS if measured else 0),
    )
    return {
        "predictions": best(scores, classifier.labels, request, context),
        "explanation": explanation,
    }


def one_hot(index: int, num_classes: int) -> Tensor:
    """Return the direction of a class whose outputs are logits.

    Args:
        index: Index of the class.
        num_classes: Number of outputs.
    """
    return torch.eye(num_classes)[index]


def only_pixels(inputs: Mapping[str, Tensor], model: str) -> Tensor:
    """Return the pixels of a prepared picture: [1, 3, height, width].

    Args:
        inputs: The inputs of the network by name.
        model: Name of the model.

    Raises:
        InvalidRequest: The network takes anything else.
    """
    pixels = inputs.get("pixel_values")
    if len(inputs) > 1 or pixels is None or pixels.ndim != 4:
        raise InvalidRequest(
            said("explain.method: {model} takes other inputs than the pixels of a picture.", model=model),
            field="explain.method",
            hint=said("Use {method}.", method="occlusion"),
        )
    return pixels


def _index_of(target: str | None, labels: Sequence[str], scores: Tensor) -> int:
    if target is None:
        return int(scores.argmax())
    if target in labels:
        return labels.index(target)
    close = nearest_name(target, labels)
    raise InvalidRequest(
        said("explain.target: the model has no class {target!r}.", target=target),
        field="explain.target",
        hint=said("Did you mean {label!r}?", label=close)
        if close
        else said("Use one of its classes, such as {labels}.", labels=list(labels[:5])),
    )


@dataclass(frozen=True)
class _Found:
    """A map, the target's score of the wholly covered picture if it was asked for, and the calls it took."""

    values: Floats
    baseline: float | None
    num_calls: int


@dataclass(frozen=True)
class _Explaining:
    """Explains one class of one picture.

    Args:
        classifier: The classifier.
        picture: The picture, in mode RGB.
        explain: The complete choice of the request.
        target: Index of the class.
        own: The score of the class for the whole picture.
        progress: Called after each call.
    """

    classifier: ExplainableClassifier
    picture: Image.Image
    explain: Explain
    target: int
    own: float
    progress: CallProgress

    def found(self) -> _Found:
        """Return the map of the method that the request asks for."""
        match self.explain.method:
            case "integrated-gradients":
                return self._integrated_gradients()
            case "grad-cam":
                return self._grad_cam()
        return self._occlusion()

    def faithfulness(self, values: Floats) -> Faithfulness:
        """Measure how well a map agrees with the model."""
        return faithfulness(
            self.picture, values, self.explain, self.own, self._score_of, self._run_beside, self.progress
        )

    def _occlusion(self) -> _Found:
        found = occlusion(
            self.picture,
            self.explain,
            [self.own],
            lambda covered: [self._score_of(covered)],
            self._run_beside,
            self.progress,
        )
        return _Found(found.map(0), float(found.baseline[0]), found.num_calls)

    def _integrated_gradients(self) -> _Found:
        differentiable, num_steps = self.classifier.differentiable, self.explain.num_samples or GRADIENT_STEPS
        pixels = differentiable.pixels_of(self.picture)
        cover = covering(self.picture, self.explain.fill or _PATH_BEGINS_WITH)
        (baseline,) = self._run_beside([lambda: self._score_of(cover)], on_done=self.progress)
        direction = differentiable.direction_of(self.target)
        found = differentiable.gradients.integrated(
            pixels, differentiable.pixels_of(cover), direction, num_steps, self.progress
        )
        # What speaks against the class is left out; the colours of a pixel count together.
        values = found.sum(dim=0).clamp(min=0).numpy()
        return _Found(self._in_picture(values), baseline, num_steps + 1)

    def _grad_cam(self) -> _Found:
        differentiable = self.classifier.differentiable
        pixels, direction = differentiable.pixels_of(self.picture), differentiable.direction_of(self.target)
        (values,) = self._run_beside(
            [lambda: differentiable.gradients.grad_cam(pixels, direction)], on_done=self.progress
        )
        return _Found(self._in_picture(values.numpy()), None, 1)

    def _in_picture(self, values: Floats) -> Floats:
        seen = InputPlace.of(self.picture.size, self.classifier.differentiable.pixels_of)
        return seen.in_picture(values, self.picture.size)

    def _score_of(self, picture: Image.Image) -> float:
        return float(self.classifier.scores_of(picture)[self.target])

    @property
    def _run_beside(self) -> RunBeside:
        return self.classifier.model_executor.run_beside
