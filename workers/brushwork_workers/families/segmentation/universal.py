"""Semantic, instance and panoptic segmentation with one network.

The models are MaskFormer, Mask2Former (Cheng et al., 2022) and OneFormer (Jain et al., 2023). OneFormer also
takes the task as input.
"""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest, Segment
from brushwork_schemas.warnings import result_warning
from PIL import Image
from torch import Tensor
from transformers import AutoModelForUniversalSegmentation

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.pretrained import pretrained, serialized
from brushwork_workers.families.segmentation.certainty import ClassScores
from brushwork_workers.families.segmentation.class_map import BACKGROUND, ClassMap, best_class, labels_of
from brushwork_workers.families.segmentation.coco_segments import segment, segments_of_classes
from brushwork_workers.families.segmentation.explaining import ExplainedPicture
from brushwork_workers.families.segmentation.heads import OutputHeads
from brushwork_workers.families.segmentation.result import segmentation_result
from brushwork_workers.families.segmentation.task_pictures import TaskPictures
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

THRESHOLD = 0.5
# The most values that post-processing may hold in memory: one mask per query, at the size of the picture.
MAX_MASK_VALUES = 128 * 1024 * 1024


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image segmentation."""
    network = pretrained(AutoModelForUniversalSegmentation, spec)
    return LoadedModules({"image-segmentation": UniversalSegmentation(spec, network)}, [network])


class UniversalSegmentation:
    """Handles image segmentation with a universal segmentation model of transformers.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._name = spec.model.name
        self._model_executor = spec.model_executor
        self._pictures = TaskPictures(spec)
        # One picture at a time, because it holds one mask per query in memory.
        self._post_processor = serialized(self._pictures.processor, "objects")
        self._labels = labels_of(network.config)
        options = replace(spec.options, part="network", pixels_per_row=self._pictures.pixels)
        heads = OutputHeads(network, "class_queries_logits", "masks_queries_logits")
        self._network = ModuleProxy(heads, spec.model_executor, options)

    def warm_up(self) -> None:
        """Segment a black picture."""
        self._queries(Image.new("RGB", (64, 64)), "semantic")

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Segment one picture, with the task of the request; by default semantic segmentation."""
        picture = context.picture(request.image)
        size = (picture.height, picture.width)
        task = request.task or "semantic"
        queries = self._queries(picture, task)
        explanation = self._explanation(request, context, picture, queries)
        if task == "semantic":
            if request.threshold is not None:
                context.warn(result_warning("parameter_ignored", "threshold", reason="semantic"))
            scores = self._scores(queries)
            classes = ClassMap(best_class(scores.values, size), scores.labels)
            segments = segments_of_classes(classes)
            return segmentation_result(request, context, picture, classes, segments, explanation)
        threshold = THRESHOLD if request.threshold is None else request.threshold
        classes, segments = self._objects(queries, size, task, threshold)
        return segmentation_result(request, context, picture, classes, segments, explanation)

    def _explanation(
        self,
        request: ImageSegmentationRequest,
        context: JobContext,
        picture: Image.Image,
        queries: SimpleNamespace,
    ) -> Explanation | None:
        """Explain the classes of the pixels, whatever the task: which objects they belong to is left out."""
        if request.explain is None:
            return None
        task = request.task or "semantic"
        return ExplainedPicture(
            picture,
            self._scores(queries),
            self._labels,
            lambda covered: self._scores(self._queries(covered, task)),
            self._model_executor,
        ).explanation(request, context)

    def _queries(self, picture: Image.Image, task: str) -> SimpleNamespace:
        """Return the outputs of the queries: classes [1, queries, classes + 1], masks [1, queries, h, w]."""
        answer = self._network(**self._pictures(picture, task))
        classes, masks = (logits.float().cpu() for logits in answer)
        module = self._network._module
        check_finite((classes, masks), model=self._name, part="segmentation network", module=module)
        return SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks)

    def _scores(self, queries: SimpleNamespace) -> ClassScores:
        """Return the weight of each class for each pixel, summed over the queries."""
        found = self._post_processor.post_process_semantic_segmentation(
            queries, return_segmentation_scores=True
        )
        return ClassScores(found[0]["segmentation_scores"], self._labels, are_logits=False)

    def _objects(
        self, queries: SimpleNamespace, size: tuple[int, int], task: str, threshold: float
    ) -> tuple[ClassMap, list[Segment]]:
        """Return the objects in the order found. Where they overlap, the map shows the later one."""
        post_process = getattr(self._post_processor, f"post_process_{task}_segmentation")
        options = {"label_ids_to_fuse": set[int]()} if task == "panoptic" else {}
        target = _limited_size(size, queries.masks_queries_logits.shape[1])
        (found,) = post_process(queries, threshold=threshold, target_sizes=[target], **options)
        indices = np.zeros(size, dtype=np.uint8)
        segments = []
        for number, info in enumerate(found["segments_info"], start=1):
            mask = _enlarged(found["segmentation"] == info["id"], size)
            indices[mask] = info["label_id"] + 1
            segments.append(segment(mask, number, self._labels[info["label_id"]], info["score"]))
        return ClassMap(indices, (BACKGROUND, *self._labels)), segments


def _limited_size(size: tuple[int, int], num_queries: int) -> tuple[int, int]:
    """Return `size`, or the largest size of the same proportions that stays below `MAX_MASK_VALUES`."""
    height, width = size
    scale = min(1.0, math.sqrt(MAX_MASK_VALUES / (num_queries * height * width)))
    return max(1, int(height * scale)), max(1, int(width * scale))


def _enlarged(mask: Tensor, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if tuple(mask.shape) == size:
        return np.asarray(mask.numpy())
    large = torch.nn.functional.interpolate(mask[None, None].float(), size=size, mode="nearest")
    return np.asarray(large[0, 0].numpy() > 0)
