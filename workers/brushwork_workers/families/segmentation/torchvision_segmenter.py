"""Semantic segmentation with a network of torchvision."""

from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image

from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.segmentation.certainty import ClassScores
from brushwork_workers.families.segmentation.class_segmentation import segmented
from brushwork_workers.families.torchvision_model import TorchvisionModel
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image segmentation."""
    handler = TorchvisionSegmenter(spec)
    return LoadedModules({"image-segmentation": handler}, [handler._model.network])


class TorchvisionSegmenter:
    """Handles image segmentation with a network of torchvision.

    Args:
        spec: The model to load.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._name = spec.model.name
        self._model_executor = spec.model_executor
        self._model = TorchvisionModel.load(spec)
        self._network = self._model.proxy(spec.model_executor, spec.options)

    def warm_up(self) -> None:
        """Segment a black picture."""
        self._scores(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Segment one picture."""
        return segmented(request, context, self._scores, self._model_executor)

    def _scores(self, picture: Image.Image) -> ClassScores:
        logits = self._network(self._model.tensor(picture))["out"].float().cpu()
        check_finite(logits, model=self._name, part="segmentation network", module=self._model.network)
        return ClassScores(logits[0], self._model.labels)
