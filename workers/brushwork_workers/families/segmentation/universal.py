"""Classes, objects, or both, by one network.

MaskFormer, Mask2Former (Cheng et al., 2022) and OneFormer (Jain et al., 2023), which is also told the task.
"""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest, Segment
from PIL import Image
from torch import Tensor
from transformers import AutoModelForUniversalSegmentation

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.pretrained import one_at_a_time, pretrained
from brushwork_workers.families.segmentation.class_map import BACKGROUND, ClassMap, best_class, labels_of
from brushwork_workers.families.segmentation.coco_segments import of_classes, segment
from brushwork_workers.families.segmentation.heads import OutputHeads
from brushwork_workers.families.segmentation.result import answer
from brushwork_workers.families.segmentation.task_pictures import TaskPictures
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

THRESHOLD = 0.5
# Numbers that finding the objects of a picture may hold: a mask for each query, at the picture's size.
ROOM = 128 * 1024 * 1024


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(AutoModelForUniversalSegmentation, spec)
    return LoadedModules({"image-segmentation": UniversalSegmentation(spec, network)}, [network])


class UniversalSegmentation:
    """A loaded segmenter.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._pictures = TaskPictures(spec)
        # One picture at a time: what it holds meanwhile is a mask for each query.
        self._finder = one_at_a_time(self._pictures.processor, "objects")
        self._labels = labels_of(network.config)
        options = replace(spec.options, part="network", pixels_per_row=self._pictures.pixels)
        heads = OutputHeads(network, "class_queries_logits", "masks_queries_logits")
        self._network = ModuleProxy(heads, spec.model_executor, options)

    def warm_up(self) -> None:
        """Look at a black picture."""
        self._queries(Image.new("RGB", (64, 64)), "semantic")

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Mask, areas, segments and, where asked for, the overlay of one picture, as the task says."""
        picture = context.picture(request.image)
        size = (picture.height, picture.width)
        task = request.task or "semantic"
        queries = self._queries(picture, task)
        if task == "semantic":
            classes = self._classes(queries, size)
            return answer(request, context, picture, classes, of_classes(classes))
        threshold = THRESHOLD if request.threshold is None else request.threshold
        classes, segments = self._objects(queries, size, task, threshold)
        return answer(request, context, picture, classes, segments)

    def _queries(self, picture: Image.Image, task: str) -> SimpleNamespace:
        """What the network's queries found: classes [1, queries, classes + 1], masks [1, queries, h, w]."""
        classes, masks = self._network(**self._pictures(picture, task))
        return SimpleNamespace(
            class_queries_logits=classes.float().cpu(), masks_queries_logits=masks.float().cpu()
        )

    def _classes(self, queries: SimpleNamespace, size: tuple[int, int]) -> ClassMap:
        found = self._finder.post_process_semantic_segmentation(queries, return_segmentation_scores=True)
        return ClassMap(best_class(found[0]["segmentation_scores"], size), self._labels)

    def _objects(
        self, queries: SimpleNamespace, size: tuple[int, int], task: str, threshold: float
    ) -> tuple[ClassMap, list[Segment]]:
        """Objects in the order in which they were found; where they overlap, the map shows the later one."""
        find = getattr(self._finder, f"post_process_{task}_segmentation")
        fused = {"label_ids_to_fuse": set[int]()} if task == "panoptic" else {}
        target = _bounded(size, queries.masks_queries_logits.shape[1])
        (found,) = find(queries, threshold=threshold, target_sizes=[target], **fused)
        indices = np.zeros(size, dtype=np.uint8)
        segments = []
        for number, info in enumerate(found["segments_info"], start=1):
            mask = _enlarged(found["segmentation"] == info["id"], size)
            indices[mask] = info["label_id"] + 1
            segments.append(segment(mask, number, self._labels[info["label_id"]], info["score"]))
        return ClassMap(indices, (BACKGROUND, *self._labels)), segments


def _bounded(size: tuple[int, int], num_queries: int) -> tuple[int, int]:
    """`size`, or as large a picture of its proportions as there is room for."""
    height, width = size
    smaller = min(1.0, math.sqrt(ROOM / (num_queries * height * width)))
    return max(1, int(height * smaller)), max(1, int(width * smaller))


def _enlarged(mask: Tensor, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if tuple(mask.shape) == size:
        return np.asarray(mask.numpy())
    large = torch.nn.functional.interpolate(mask[None, None].float(), size=size, mode="nearest")
    return np.asarray(large[0, 0].numpy() > 0)
