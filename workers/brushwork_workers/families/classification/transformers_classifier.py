"""Image classification with any image classifier of transformers."""

from dataclasses import replace
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image
from transformers import AutoModelForImageClassification

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.classification.ranking import best
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

    def warm_up(self) -> None:
        """Classify a black picture."""
        self._probabilities(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Return the `top_k` best classes of the picture, or all classes if there are fewer."""
        probabilities = self._probabilities(context.picture(request.image))
        return {"predictions": best(probabilities, self._labels, request, context)}

    def _probabilities(self, picture: Image.Image) -> torch.Tensor:
        """Return the probability of each class: [classes], float32 on the CPU."""
        logits = self._network(**self._pictures(picture)).logits[0].float().cpu()
        check_finite(logits, model=self._name, part="classifier", module=self._network._module)
        return self._probabilities_of(logits)


def _softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(dim=-1)
