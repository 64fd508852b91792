"""A class for each pixel, by any semantic segmenter of transformers, such as SegFormer (Xie et al., 2021)."""

from dataclasses import replace
from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image
from transformers import AutoModelForSemanticSegmentation

from brushwork_workers.batching.model_executor import StandIn
from brushwork_workers.families.pretrained import PictureProcessor, pretrained
from brushwork_workers.families.segmentation.class_map import ClassMap, best_class, labels_of
from brushwork_workers.families.segmentation.coco_segments import of_classes
from brushwork_workers.families.segmentation.heads import Heads
from brushwork_workers.families.segmentation.result import answer
from brushwork_workers.interface import Desk, Loaded, Place


def load(place: Place) -> Loaded:
    """The model, for its one kind."""
    network = pretrained(AutoModelForSemanticSegmentation, place)
    return Loaded({"image-segmentation": SemanticSegmentation(place, network)}, [network])


class SemanticSegmentation:
    """A loaded segmenter.

    Args:
        place: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, place: Place, network: Any) -> None:
        self._pictures = PictureProcessor(place)
        self._labels = labels_of(network.config)
        terms = replace(place.terms, part="network", pixels_per_row=self._pictures.pixels)
        self._network = StandIn(Heads(network, "logits"), place.calls, terms)

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
        (logits,) = self._network(**self._pictures(picture))
        size = (picture.height, picture.width)
        return ClassMap(best_class(logits[0].float().cpu(), size), self._labels)
