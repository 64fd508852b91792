"""Image classification with any image classifier of transformers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image
from transformers import AutoModelForImageClassification

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.explanations.gradients import ScoreGradients
from brushwork_workers.families.classification.explaining import (
    DifferentiableClassifier,
    ExplainableClassifier,
    explained,
    one_hot,
    only_pixels,
)
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.common_call import called_by_name, performed
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.pretrained import PictureProcessor, pretrained
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image classification."""
    network = pretrained(AutoModelForImageClassification, spec)
    return LoadedModules({"image-classification": TransformersClassifier(spec, network)}, [network])


class TransformersClassifier:
    """Handles image classification with a network of transformers.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._name = spec.model.name
        self._pictures = PictureProcessor(spec)
        config = network.config
        self._labels = tuple(str(config.id2label[index]) for index in range(config.num_labels))
        # Like the pipeline of transformers: classes that do not exclude each other have independent
        # probabilities.
        is_apart = config.problem_type == "multi_label_classification" or config.num_labels == 1
        self._probabilities_of = torch.sigmoid if is_apart else _softmax
        options = replace(spec.options, part="network", pixels_per_row=self._pictures.pixels)
        self._network = ModuleProxy(network, spec.model_executor, options)
        gradients = ScoreGradients(
            self._name,
            network,
            lambda pixels: network(pixel_values=pixels).logits,
            spec.model_executor,
            options,
        )
        self._explainable = ExplainableClassifier(
            self._labels,
            lambda picture: self._probabilities(self.answers([self._pictures(picture)])[0]),
            spec.model_executor,
            DifferentiableClassifier(
                gradients,
                lambda picture: only_pixels(self._pictures(picture), self._name),
                partial(one_hot, num_classes=len(self._labels)),
            ),
        )

    def warm_up(self) -> None:
        """Classify a black picture."""
        self.answers([self._pictures(Image.new("RGB", (64, 64)))])

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Classify one picture, and explain its class if the request asks for that."""
        if request.explain is not None:
            return explained(self._explainable, request, context)
        return performed(self, request, context)

    @property
    def row_pixels(self) -> int:
        """Pixels of a prepared picture."""
        return self._pictures.pixels

    def prepared(
        self, request: ImageClassificationRequest, context: JobContext
    ) -> Mapping[str, torch.Tensor]:
        """Return the inputs of the network by name, each with one row."""
        return self._pictures(context.picture(request.image))

    def answers(self, prepared: Sequence[Mapping[str, torch.Tensor]]) -> Sequence[torch.Tensor]:
        """Return the logits of each picture: [classes], float32 on the CPU."""
        return called_by_name(self._network, prepared, lambda answer: answer.logits)

    def result(
        self, request: ImageClassificationRequest, context: JobContext, answer: torch.Tensor
    ) -> dict[str, Any]:
        """Return the `top_k` best classes of the picture, or all classes if there are fewer."""
        return {"predictions": best(self._probabilities(answer), self._labels, request, context)}

    def _probabilities(self, answer: torch.Tensor) -> torch.Tensor:
        check_finite(answer, model=self._name, part="classifier", module=self._network._module)
        return self._probabilities_of(answer)


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(dim=-1)
