"""Image classification with a network of torchvision."""

from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image

from brushwork_workers.families.classification.ranking import best
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

    def warm_up(self) -> None:
        """Classify a black picture."""
        self._probabilities(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Return the `top_k` best classes of the picture, or all classes if there are fewer."""
        probabilities = self._probabilities(context.picture(request.image))
        return {"predictions": best(probabilities, self._model.labels, request, context)}

    def _probabilities(self, picture: Image.Image) -> torch.Tensor:
        """Return the softmax over the classes: [classes], float32 on the CPU."""
        logits = self._network(self._model.tensor(picture))[0].float().cpu()
        check_finite(logits, model=self._name, part="classifier", module=self._model.network)
        return torch.softmax(logits, dim=0)
