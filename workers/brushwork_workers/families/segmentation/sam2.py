"""Segmentation of objects that the caller marks with points or boxes: SAM 2 (Ravi et al., 2024).

The picture is encoded in one call, and the masks are decoded in separate calls. Pictures of several jobs can
then share a batch although their points and boxes differ.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_segmentation import Box, ImageSegmentationRequest, Point
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor
from transformers import Sam2Model, Sam2Processor

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.pretrained import pretrained
from brushwork_workers.families.segmentation.certainty import ObjectScores
from brushwork_workers.families.segmentation.class_map import BACKGROUND, ClassMap
from brushwork_workers.families.segmentation.coco_segments import segment
from brushwork_workers.families.segmentation.explaining import ExplainedPicture
from brushwork_workers.families.segmentation.result import segmentation_result
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

_MASK_SIDE_SHARE = 4


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image segmentation."""
    network = pretrained(Sam2Model, spec)
    return LoadedModules({"image-segmentation": PromptedSegmentation(spec, network)}, [network])


@dataclass(frozen=True)
class Prompt:
    """The points and the box of one object."""

    number: int
    points: tuple[Point, ...]
    box: Box | None

    @property
    def shape(self) -> tuple[int, bool]:
        """The number of points, and whether there is a box. Prompts of equal shape share one call."""
        return len(self.points), self.box is not None

    @property
    def is_ambiguous(self) -> bool:
        """Whether the prompt may mean an object, a part of it or a larger one: true for a single point."""
        return self.shape == (1, False)


@dataclass(frozen=True)
class FoundObject:
    """An object that was found.

    Args:
        number: Its number.
        mask: Where it is: [height, width].
        score: The predicted quality of the mask, 0 to 1.
        logits: What the mask was made from, at the size of the network's output: [height, width].
        choice: Which of the masks that the network offers it is.
    """

    number: int
    mask: npt.NDArray[np.bool_]
    score: float
    logits: Tensor
    choice: int


class PromptedSegmentation:
    """Handles image segmentation with points and boxes.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._spec = spec
        self._processor: Any = Sam2Processor.from_pretrained(spec.folder, local_files_only=True)
        processed = self._processor(images=Image.new("RGB", (64, 64)), return_tensors="pt")
        pixels = math.prod(processed["pixel_values"].shape[-2:])
        options = replace(spec.options, part="pictures", pixels_per_row=pixels)
        self._encoder = ModuleProxy(network, spec.model_executor, options, ("get_image_embeddings",))
        options = replace(spec.options, part="objects", pixels_per_row=pixels // _MASK_SIDE_SHARE**2 or 1)
        self._decoder = ModuleProxy(network, spec.model_executor, options)

    def warm_up(self) -> None:
        """Segment a black picture with one point."""
        black = Image.new("RGB", (64, 64))
        self._find_objects(black, [Prompt(0, (Point(x=32, y=32),), None)])

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Segment the marked objects. Segment i + 1 is object i. In the mask, smaller objects are on top."""
        picture = context.picture(request.image)
        _check_prompts(request, picture)
        objects = self._find_objects(picture, _prompts(request))
        explanation = self._explained_picture(picture, request, objects).explanation(request, context)
        indices = np.zeros((picture.height, picture.width), dtype=np.uint8)
        for found_object in sorted(objects, key=lambda found_object: -found_object.mask.sum()):
            indices[found_object.mask] = found_object.number + 1
        last = max(found_object.number for found_object in objects)
        labels = (BACKGROUND, *(_label(number) for number in range(last + 1)))
        segments = [
            segment(found_object.mask, found_object.number + 1, score=found_object.score)
            for found_object in objects
        ]
        classes = ClassMap(indices, labels)
        return segmentation_result(request, context, picture, classes, segments, explanation)

    def _explained_picture(
        self, picture: Image.Image, request: ImageSegmentationRequest, objects: Sequence[FoundObject]
    ) -> ExplainedPicture:
        # In a covered picture the network may rate another of its masks best: a part, say, instead of the
        # whole. The scores would then be about something else.
        choices = {found_object.number: found_object.choice for found_object in objects}
        return ExplainedPicture(
            picture,
            _scores(objects),
            (BACKGROUND, *(_label(found_object.number) for found_object in objects)),
            lambda covered: _scores(self._find_objects(covered, _prompts(request), choices)),
            self._spec.model_executor,
        )

    def _find_objects(
        self, picture: Image.Image, prompts: Sequence[Prompt], choices: Mapping[int, int] | None = None
    ) -> list[FoundObject]:
        """Find the objects of all prompts.

        Args:
            picture: The picture.
            prompts: The prompts.
            choices: Which of the offered masks to take for each object; by default the best one.
        """
        processed = self._processor(images=picture, return_tensors="pt")
        pixels = processed["pixel_values"].to(self._spec.device, self._spec.dtype)
        embeddings = self._encoder.get_image_embeddings(pixels)
        self._check(embeddings, "image encoder")
        by_shape: dict[tuple[int, bool], list[Prompt]] = defaultdict(list)
        for prompt in prompts:
            by_shape[prompt.shape].append(prompt)
        objects = [
            found_object
            for group in by_shape.values()
            for found_object in self._find_group(group, embeddings, processed["original_sizes"], choices)
        ]
        return sorted(objects, key=lambda found_object: found_object.number)

    def _find_group(
        self,
        prompts: Sequence[Prompt],
        embeddings: Any,
        sizes: Tensor,
        choices: Mapping[int, int] | None,
    ) -> list[FoundObject]:
        """Find the objects of prompts of equal shape."""
        is_ambiguous = prompts[0].is_ambiguous
        processed = self._decoder(
            image_embeddings=embeddings, multimask_output=is_ambiguous, **self._prompt_tensors(prompts, sizes)
        )
        self._check((processed.iou_scores, processed.pred_masks), "mask decoder")
        scores = processed.iou_scores[0].float().cpu()
        best = scores.argmax(dim=-1)
        if choices is not None:
            best = torch.tensor([choices[prompt.number] for prompt in prompts])
        rows = torch.arange(len(prompts))
        masks_of_best = processed.pred_masks[0].float().cpu()[rows, best]
        (masks,) = self._processor.post_process_masks([masks_of_best[:, None]], sizes)
        confidences = scores[rows, best].clamp(0, 1).tolist()
        found = zip(prompts, masks, confidences, masks_of_best, best.tolist(), strict=True)
        return [
            FoundObject(prompt.number, np.asarray(mask[0].numpy()), score, logits, choice)
            for prompt, mask, score, logits, choice in found
        ]

    def _check(self, values: Any, part: str) -> None:
        check_finite(values, model=self._spec.model.name, part=part, module=self._encoder._module)

    def _prompt_tensors(self, prompts: Sequence[Prompt], sizes: Tensor) -> dict[str, Tensor]:
        """Return points and boxes as inputs of the network: [1, objects, ...], in pixels of its own input."""
        arguments: dict[str, Any] = {}
        if prompts[0].points:
            arguments["input_points"] = [
                [[[point.x, point.y] for point in prompt.points] for prompt in prompts]
            ]
            arguments["input_labels"] = [
                [[int(point.is_on) for point in prompt.points] for prompt in prompts]
            ]
        boxes = [prompt.box for prompt in prompts if prompt.box]
        if boxes:
            arguments["input_boxes"] = [[[box.x_min, box.y_min, box.x_max, box.y_max] for box in boxes]]
        processed = self._processor(original_sizes=sizes, return_tensors="pt", **arguments)
        device, dtype = self._spec.device, self._spec.dtype
        return {
            name: processed[name].to(device, dtype if processed[name].is_floating_point() else None)
            for name in arguments
        }


def _label(number: int) -> str:
    return f"object {number + 1}"


def _scores(objects: Sequence[FoundObject]) -> ObjectScores:
    logits = torch.stack([found_object.logits for found_object in objects])
    return ObjectScores(logits, tuple(_label(found_object.number) for found_object in objects), BACKGROUND)


def _prompts(request: ImageSegmentationRequest) -> list[Prompt]:
    """Return one prompt for each object that has a point or a box, sorted by its number."""
    boxes = dict(enumerate(request.boxes))
    numbers = sorted({*boxes, *(point.object for point in request.points)})
    return [
        Prompt(number, tuple(point for point in request.points if point.object == number), boxes.get(number))
        for number in numbers
    ]


def _check_prompts(request: ImageSegmentationRequest, picture: Image.Image) -> None:
    for index, point in enumerate(request.points):
        _check_inside(f"points.{index}", point.x < picture.width and point.y < picture.height, picture)
    for index, box in enumerate(request.boxes):
        is_inside = box.x_max <= picture.width and box.y_max <= picture.height
        _check_inside(f"boxes.{index}", is_inside, picture)
        if box.x_min >= box.x_max or box.y_min >= box.y_max:
            raise InvalidRequest(
                said("boxes.{index}: the box is empty.", index=index),
                field=f"boxes.{index}",
                hint="x_min must be less than x_max, and y_min less than y_max.",
            )


def _check_inside(field: str, is_inside: bool, picture: Image.Image) -> None:
    if not is_inside:
        raise InvalidRequest(
            said(
                "{field}: outside of the picture, which is {width} x {height} pixels.",
                field=field,
                width=picture.width,
                height=picture.height,
            ),
            field=field,
            hint="Use pixels of the uploaded picture, counted from its upper left corner.",
        )
