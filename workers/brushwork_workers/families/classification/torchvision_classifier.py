"""Image classification with a network of torchvision."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image

from brushwork_workers.explanations.gradients import ScoreGradients
from brushwork_workers.families.classification.explaining import (
    DifferentiableClassifier,
    ExplainableClassifier,
    explained,
    one_hot,
)
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.common_call import called_together, performed
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.torchvision_model import TorchvisionModel
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image classification."""
    handler = TorchvisionClassifier(spec)
    return LoadedModules({"image-classification": handler}, [handler._model.network])


class TorchvisionClassifier:
    """Handles image classification with a network of torchvision.

    Args:
        spec: The model to load.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._name = spec.model.name
        self._model = TorchvisionModel.load(spec)
        self._network = self._model.proxy(spec.model_executor, spec.options)
        self._explainable = self._made_explainable(spec)

    def warm_up(self) -> None:
        """Classify a black picture."""
        self.answers([self._model.tensor(Image.new("RGB", (64, 64)))])

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Classify one picture, and explain its class if the request asks for that."""
        if request.explain is not None:
            return explained(self._explainable, request, context)
        return performed(self, request, context)

    @property
    def row_pixels(self) -> int:
        """Pixels of a prepared picture."""
        return self._model.pixels

    def prepared(self, request: ImageClassificationRequest, context: JobContext) -> torch.Tensor:
        """Return the prepared picture: [1, 3, height, width]."""
        return self._model.tensor(context.picture(request.image))

    def answers(self, prepared: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the logits of each picture: [classes], float32 on the CPU."""
        return called_together(self._network, prepared)

    def result(
        self, request: ImageClassificationRequest, context: JobContext, answer: torch.Tensor
    ) -> dict[str, Any]:
        """Return the `top_k` best classes of the picture, or all classes if there are fewer."""
        return {"predictions": best(self._probabilities(answer), self._model.labels, request, context)}

    def _probabilities(self, answer: torch.Tensor) -> torch.Tensor:
        check_finite(answer, model=self._name, part="classifier", module=self._model.network)
        return torch.softmax(answer, dim=0)

    def _made_explainable(self, spec: LoadSpec) -> ExplainableClassifier:
        model, labels = self._model, self._model.labels
        options = replace(spec.options, part="network", pixels_per_row=model.pixels)
        gradients = ScoreGradients(self._name, model.network, model.network, spec.model_executor, options)
        return ExplainableClassifier(
            labels,
            lambda picture: self._probabilities(self.answers([model.tensor(picture)])[0]),
            spec.model_executor,
            DifferentiableClassifier(gradients, model.tensor, partial(one_hot, num_classes=len(labels))),
        )
