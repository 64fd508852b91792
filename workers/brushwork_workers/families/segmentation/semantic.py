"""Semantic segmentation with any model of transformers, such as SegFormer (Xie et al., 2021)."""

from dataclasses import replace
from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image
from transformers import AutoModelForSemanticSegmentation

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.pretrained import PictureProcessor, pretrained
from brushwork_workers.families.segmentation.certainty import ClassScores
from brushwork_workers.families.segmentation.class_map import labels_of
from brushwork_workers.families.segmentation.class_segmentation import segmented
from brushwork_workers.families.segmentation.heads import OutputHeads
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image segmentation."""
    network = pretrained(AutoModelForSemanticSegmentation, spec)
    return LoadedModules({"image-segmentation": SemanticSegmentation(spec, network)}, [network])


class SemanticSegmentation:
    """Handles image segmentation with a semantic segmentation model of transformers.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._name = spec.model.name
        self._model_executor = spec.model_executor
        self._pictures = PictureProcessor(spec)
        self._labels = labels_of(network.config)
        options = replace(spec.options, part="network", pixels_per_row=self._pictures.pixels)
        self._network = ModuleProxy(OutputHeads(network, "logits"), spec.model_executor, options)

    def warm_up(self) -> None:
        """Segment a black picture."""
        self._scores(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Segment one picture."""
        return segmented(request, context, self._scores, self._model_executor)

    def _scores(self, picture: Image.Image) -> ClassScores:
        (answer,) = self._network(**self._pictures(picture))
        logits = answer[0].float().cpu()
        check_finite(logits, model=self._name, part="segmentation network", module=self._network._module)
        return ClassScores(logits, self._labels)
