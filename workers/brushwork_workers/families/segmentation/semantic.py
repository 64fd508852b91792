"""A class for each pixel, by any semantic segmenter of transformers, such as SegFormer (Xie et al., 2021)."""

from dataclasses import replace
from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image
from transformers import AutoModelForSemanticSegmentation

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.pretrained import PictureProcessor, pretrained
from brushwork_workers.families.segmentation.class_map import ClassMap, best_class, labels_of
from brushwork_workers.families.segmentation.coco_segments import of_classes
from brushwork_workers.families.segmentation.heads import OutputHeads
from brushwork_workers.families.segmentation.result import answer
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(AutoModelForSemanticSegmentation, spec)
    return LoadedModules({"image-segmentation": SemanticSegmentation(spec, network)}, [network])


class SemanticSegmentation:
    """A loaded segmenter.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = PictureProcessor(spec)
        self._labels = labels_of(network.config)
        options = replace(spec.options, part="network", pixels_per_row=self._pictures.pixels)
        self._network = ModuleProxy(OutputHeads(network, "logits"), spec.model_executor, options)

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
        (logits,) = self._network(**self._pictures(picture))
        size = (picture.height, picture.width)
        return ClassMap(best_class(logits[0].float().cpu(), size), self._labels)
