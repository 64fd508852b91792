"""Segmenters of every family from folders, through catalogue, Redis and a worker: what upstream makes."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_schemas.job import Job
from PIL import Image
from pycocotools import mask as coco
from safetensors.torch import load_file
from torch.nn import functional
from torchvision.models import get_model, get_weight
from transformers import (
    AutoImageProcessor,
    AutoProcessor,
    Mask2FormerForUniversalSegmentation,
    OneFormerForUniversalSegmentation,
    Sam2Model,
    Sam2Processor,
    SegformerForSemanticSegmentation,
)

from tests.checkpoints.segmenters import LABELS
from tests.drawn import drawn
from tests.every_model import LRASPP, SEGMENTERS
from tests.serving import Serving, requests_for

POINTS = (
    [{"x": 10.5, "y": 12}],
    [{"x": 10, "y": 12}, {"x": 30, "y": 30, "is_on": False}],
    [{"x": 10, "y": 12}, {"x": 30, "y": 30, "object": 1}],
)
# Class by pixel; and of each object its label, score and mask.
Found = tuple[np.ndarray[Any, Any], Sequence[tuple[str | None, float | None, np.ndarray[Any, Any]]]]


def asked(model: str, index: int) -> dict[str, Any]:
    """The parameters of the job of that number, all but the picture."""
    if model == "sam2":
        boxes = [{"x_min": 3, "y_min": 4, "x_max": 30, "y_max": 35}] if index % 2 else []
        return {"points": POINTS[index % 3], "boxes": boxes}
    if model in ("mask2former", "oneformer"):
        task = ("semantic", "instance", "panoptic")[index % 3]
        return {"task": task} | ({} if task == "semantic" else {"threshold": 0.1})
    return {}


@pytest.fixture(scope="module")
def folder(every_model: Path) -> Path:
    return every_model / "segments"


def classes_only(classes: np.ndarray[Any, Any], labels: Mapping[int, str]) -> Found:
    shown = [int(index) for index in np.unique(classes) if labels[int(index)] != "__background__"]
    return classes, [(labels[index], None, classes == index) for index in shown]


@cache
def loaded(network: Any, processor: Any, folder: Path) -> tuple[Any, Any]:
    """Network and processor of these classes from a folder."""
    return network.from_pretrained(folder), processor.from_pretrained(folder)


def segformer(folder: Path, picture: Image.Image, _: Mapping[str, Any]) -> Found:
    network, processor = loaded(SegformerForSemanticSegmentation, AutoImageProcessor, folder)
    found = network(**processor(images=picture, return_tensors="pt"))
    sizes = [(picture.height, picture.width)]
    (classes,) = processor.post_process_semantic_segmentation(found, target_sizes=sizes)
    return classes_only(classes.numpy(), LABELS)


@cache
def lraspp_network(folder: Path) -> Any:
    network = get_model("lraspp_mobilenet_v3_large", weights=None, weights_backbone=None)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.eval()


def lraspp(folder: Path, picture: Image.Image, _: Mapping[str, Any]) -> Found:
    weights = get_weight(LRASPP)
    made = lraspp_network(folder)(weights.transforms()(picture)[None])["out"]
    size = (picture.height, picture.width)
    large = functional.interpolate(made, size=size, mode="bilinear", align_corners=False)
    return classes_only(large[0].argmax(0).numpy(), dict(enumerate(weights.meta["categories"])))


def mask2former(folder: Path, picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
    network, processor = loaded(Mask2FormerForUniversalSegmentation, AutoImageProcessor, folder)
    found = network(**processor(images=picture, return_tensors="pt"))
    return universal(processor, found, picture, parameters)


def oneformer(folder: Path, picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
    network, processor = loaded(OneFormerForUniversalSegmentation, AutoProcessor, folder)
    inputs = processor(images=picture, task_inputs=[parameters["task"]], return_tensors="pt")
    return universal(processor, network(**inputs), picture, parameters)


def universal(processor: Any, found: Any, picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
    """What the processor's own functions make of the network's answer."""
    sizes = [(picture.height, picture.width)]
    task = parameters["task"]
    if task == "semantic":
        (classes,) = processor.post_process_semantic_segmentation(found, target_sizes=sizes)
        return classes_only(classes.numpy(), LABELS)
    find = getattr(processor, f"post_process_{task}_segmentation")
    (made,) = find(found, threshold=parameters["threshold"], target_sizes=sizes)
    where = made["segmentation"].numpy()
    classes = np.zeros(where.shape, int)
    objects = []
    for info in made["segments_info"]:
        classes[where == info["id"]] = info["label_id"] + 1
        objects.append((LABELS[info["label_id"]], info["score"], where == info["id"]))
    return classes, objects


def sam2(folder: Path, picture: Image.Image, parameters: Mapping[str, Any]) -> Found:
    """Each object by a call of its own."""
    network, processor = loaded(Sam2Model, Sam2Processor, folder)
    points, boxes = parameters["points"], parameters["boxes"]
    objects = []
    for number in sorted({*range(len(boxes)), *(point.get("object", 0) for point in points)}):
        own = [point for point in points if point.get("object", 0) == number]
        box = [[list(boxes[number].values())]] if number < len(boxes) else None
        inputs = processor(
            images=picture,
            input_points=[[[[float(point["x"]), float(point["y"])] for point in own]]] if own else None,
            input_labels=[[[int(point.get("is_on", True)) for point in own]]] if own else None,
            input_boxes=box,
            return_tensors="pt",
        )
        found = network(**inputs, multimask_output=len(own) == 1 and box is None)
        best = found.iou_scores[0, 0].argmax()
        (masks,) = processor.post_process_masks(found.pred_masks, inputs["original_sizes"])
        objects.append((None, float(found.iou_scores[0, 0, best]), masks[0, best].numpy()))
    classes = np.zeros((picture.height, picture.width), int)
    for index in sorted(range(len(objects)), key=lambda index: -objects[index][2].sum()):
        classes[objects[index][2]] = index + 1
    return classes, objects


UPSTREAM: dict[str, Callable[[Path, Image.Image, Mapping[str, Any]], Found]] = {
    "segformer": segformer,
    "mask2former": mask2former,
    "oneformer": oneformer,
    "sam2": sam2,
    "lraspp": lraspp,
}


def compare(job: Job, expected: Found) -> None:
    """Masks may differ at one pixel in a thousand: there the best two classes are as good as equal."""
    classes, objects = expected
    mask = np.asarray(job.result.mask.pil())
    assert mask.shape == classes.shape
    assert (mask != classes).mean() <= 1e-3
    for label, share in job.result.areas.items():
        assert share == pytest.approx((mask == job.result.labels.index(label)).mean())
    wanted = [found for found in objects if found[2].any()]
    segments = sorted(job.result.segments, key=lambda segment: segment.id)
    assert [segment.label for segment in segments] == [label for label, _, _ in wanted]
    for segment, (_, score, where) in zip(segments, wanted, strict=True):
        assert segment.score == (score if score is None else pytest.approx(score, abs=1e-3))
        compare_masks(segment, where)


def compare_masks(segment: Any, where: np.ndarray[Any, Any]) -> None:
    decoded = coco.decode({"size": segment.segmentation.size, "counts": segment.segmentation.counts})
    assert (decoded != where).mean() <= 1e-3
    assert segment.area == decoded.sum()
    rows, columns = np.nonzero(decoded)
    left, top = columns.min(), rows.min()
    assert segment.bbox == (left, top, columns.max() + 1 - left, rows.max() + 1 - top)


@pytest.mark.parametrize("model", SEGMENTERS)
def test_alone_and_eight_at_once_equal_upstream(model: str, served: Serving, folder: Path) -> None:
    pictures = [drawn(seed) for seed in range(8)]
    with torch.no_grad():
        expected = [
            UPSTREAM[model](folder / model, picture, asked(model, index))
            for index, picture in enumerate(pictures)
        ]
    requests = requests_for("image-segmentation", model, pictures, asked)
    alone = served.one(**requests[1])
    compare(alone, expected[1])
    for job, found in zip(served.all(requests), expected, strict=True):
        compare(job, found)
    assert len(np.unique(expected[1][0])) > 1, "one class everywhere shows nothing"
