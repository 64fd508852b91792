"""A class for each pixel of a picture, by a network of torchvision."""

from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image

from brushwork_workers.families.segmentation.class_map import ClassMap, best_class
from brushwork_workers.families.segmentation.coco_segments import of_classes
from brushwork_workers.families.segmentation.result import answer
from brushwork_workers.families.torchvision_model import TorchvisionModel
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    handler = TorchvisionSegmenter(spec)
    return LoadedModules({"image-segmentation": handler}, [handler._model.network])


class TorchvisionSegmenter:
    """A loaded segmentation net.

    Args:
        spec: Which model, from where, onto what.
    """

    def __init__(self, spec: LoadSpec) -> None:
        self._model = TorchvisionModel.load(spec)
        self._network = self._model.through(spec.model_executor, spec.options)

    def warm_up(self) -> None:
        """Segment a black picture."""
        self._classes(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Mask, areas, segments and, where asked for, the overlay of one picture."""
        picture = context.picture(request.image)
        classes = self._classes(picture)
        return answer(request, context, picture, classes, of_classes(classes))

    def _classes(self, picture: Image.Image) -> ClassMap:
        """The best class for each pixel, at the picture's own size."""
        logits = self._network(self._model.tensor(picture))["out"].float().cpu()
        size = (picture.height, picture.width)
        return ClassMap(best_class(logits[0], size), self._model.labels)
