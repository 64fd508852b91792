"""A class for each pixel of a picture, by a network of torchvision."""

from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image

from brushwork_workers.families.segmentation.class_map import ClassMap, best_class
from brushwork_workers.families.segmentation.coco_segments import of_classes
from brushwork_workers.families.segmentation.result import answer
from brushwork_workers.families.torchvision_model import TorchvisionModel
from brushwork_workers.interface import Desk, Loaded, Place


def load(place: Place) -> Loaded:
    """The model, for its one kind."""
    performer = ImageSegmentation(place)
    return Loaded({"image-segmentation": performer}, [performer._model.network])


class ImageSegmentation:
    """A loaded segmentation net.

    Args:
        place: Which model, from where, onto what.
    """

    def __init__(self, place: Place) -> None:
        self._model = TorchvisionModel.load(place)
        self._network = self._model.through(place.calls, place.terms)

    def warm_up(self) -> None:
        """Segment a black picture."""
        self._classes(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageSegmentationRequest, desk: Desk) -> dict[str, Any]:
        """Mask, areas, segments and, where asked for, the overlay of one picture."""
        picture = desk.picture(request.image)
        classes = self._classes(picture)
        return answer(request, desk, picture, classes, of_classes(classes))

    def _classes(self, picture: Image.Image) -> ClassMap:
        """The best class for each pixel, at the picture's own size."""
        logits = self._network(self._model.tensor(picture))["out"].float().cpu()
        size = (picture.height, picture.width)
        return ClassMap(best_class(logits[0], size), self._model.labels)
