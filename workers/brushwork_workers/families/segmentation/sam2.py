"""Objects that a caller points at or draws a box around: SAM 2 (Ravi et al., 2024).

The picture is encoded in one call, the objects are cut out in others, so that pictures of several jobs share
runs whatever is asked about them.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_segmentation import Box, ImageSegmentationRequest, Point
from PIL import Image
from torch import Tensor
from transformers import Sam2Model, Sam2Processor

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.pretrained import pretrained
from brushwork_workers.families.segmentation.class_map import BACKGROUND, ClassMap
from brushwork_workers.families.segmentation.coco_segments import segment
from brushwork_workers.families.segmentation.result import answer
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

_MASK_SIDE_SHARE = 4


def load(spec: LoadSpec) -> LoadedModules:
    """The model, for its one kind."""
    network = pretrained(Sam2Model, spec)
    return LoadedModules({"image-segmentation": PromptedSegmentation(spec, network)}, [network])


@dataclass(frozen=True)
class Prompt:
    """What is said of one object."""

    number: int
    points: tuple[Point, ...]
    box: Box | None

    @property
    def shape(self) -> tuple[int, bool]:
        """Objects of one shape are cut out in one call."""
        return len(self.points), self.box is not None

    @property
    def is_ambiguous(self) -> bool:
        """Whether it may mean a thing, its part, or what it is part of: a lone point does."""
        return self.shape == (1, False)


@dataclass(frozen=True)
class Cut:
    """An object that was found: where, and how good the model thinks its mask is, 0 to 1."""

    number: int
    mask: npt.NDArray[np.bool_]
    score: float


class PromptedSegmentation:
    """A loaded segmenter.

    Args:
        spec: Which model, from where, onto what.
        network: The model.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._spec = spec
        self._processor: Any = Sam2Processor.from_pretrained(spec.folder, local_files_only=True)
        made = self._processor(images=Image.new("RGB", (64, 64)), return_tensors="pt")
        pixels = math.prod(made["pixel_values"].shape[-2:])
        options = replace(spec.options, part="pictures", pixels_per_row=pixels)
        self._encoder = ModuleProxy(network, spec.model_executor, options, ("get_image_embeddings",))
        options = replace(spec.options, part="objects", pixels_per_row=pixels // _MASK_SIDE_SHARE**2 or 1)
        self._decoder = ModuleProxy(network, spec.model_executor, options)

    def warm_up(self) -> None:
        """Cut something out of a black picture."""
        black = Image.new("RGB", (64, 64))
        self._cuts(black, [Prompt(0, (Point(x=32, y=32),), None)])

    def perform(self, request: ImageSegmentationRequest, context: JobContext) -> dict[str, Any]:
        """Objects, and a mask in which the smaller lies above the larger; segment i + 1 is object i."""
        picture = context.picture(request.image)
        _check_inside(request, picture)
        cuts = self._cuts(picture, _prompts(request))
        indices = np.zeros((picture.height, picture.width), dtype=np.uint8)
        for cut in sorted(cuts, key=lambda cut: -cut.mask.sum()):
            indices[cut.mask] = cut.number + 1
        last = max(cut.number for cut in cuts)
        labels = (BACKGROUND, *(f"object {number + 1}" for number in range(last + 1)))
        segments = [segment(cut.mask, cut.number + 1, score=cut.score) for cut in cuts]
        return answer(request, context, picture, ClassMap(indices, labels), segments)

    def _cuts(self, picture: Image.Image, prompts: Sequence[Prompt]) -> list[Cut]:
        made = self._processor(images=picture, return_tensors="pt")
        pixels = made["pixel_values"].to(self._spec.device, self._spec.dtype)
        embeddings = self._encoder.get_image_embeddings(pixels)
        alike: dict[tuple[int, bool], list[Prompt]] = defaultdict(list)
        for prompt in prompts:
            alike[prompt.shape].append(prompt)
        found = [
            cut
            for group in alike.values()
            for cut in self._cut_out(group, embeddings, made["original_sizes"])
        ]
        return sorted(found, key=lambda cut: cut.number)

    def _cut_out(self, prompts: Sequence[Prompt], embeddings: Any, sizes: Tensor) -> list[Cut]:
        """Objects whose prompts have one shape."""
        is_ambiguous = prompts[0].is_ambiguous
        made = self._decoder(
            image_embeddings=embeddings, multimask_output=is_ambiguous, **self._spoken(prompts, sizes)
        )
        scores = made.iou_scores[0].float().cpu()
        best = scores.argmax(dim=-1)
        rows = torch.arange(len(prompts))
        chosen = made.pred_masks[0].float().cpu()[rows, best]
        (masks,) = self._processor.post_process_masks([chosen[:, None]], sizes)
        sure = scores[rows, best].clamp(0, 1).tolist()
        return [
            Cut(prompt.number, np.asarray(mask[0].numpy()), score)
            for prompt, mask, score in zip(prompts, masks, sure, strict=True)
        ]

    def _spoken(self, prompts: Sequence[Prompt], sizes: Tensor) -> dict[str, Tensor]:
        """Points and boxes as the network wants them: [1, objects, ...], in its own pixels."""
        said: dict[str, Any] = {}
        if prompts[0].points:
            said["input_points"] = [[[[at.x, at.y] for at in prompt.points] for prompt in prompts]]
            said["input_labels"] = [[[int(at.is_on) for at in prompt.points] for prompt in prompts]]
        boxes = [prompt.box for prompt in prompts if prompt.box]
        if boxes:
            said["input_boxes"] = [[[box.x_min, box.y_min, box.x_max, box.y_max] for box in boxes]]
        made = self._processor(original_sizes=sizes, return_tensors="pt", **said)
        device, dtype = self._spec.device, self._spec.dtype
        return {
            name: made[name].to(device, dtype if made[name].is_floating_point() else None) for name in said
        }


def _prompts(request: ImageSegmentationRequest) -> list[Prompt]:
    """One for each object that a point or a box is about, by its number."""
    boxes = dict(enumerate(request.boxes))
    numbers = sorted({*boxes, *(point.object for point in request.points)})
    return [
        Prompt(number, tuple(at for at in request.points if at.object == number), boxes.get(number))
        for number in numbers
    ]


def _check_inside(request: ImageSegmentationRequest, picture: Image.Image) -> None:
    for index, point in enumerate(request.points):
        _check(f"points.{index}", point.x < picture.width and point.y < picture.height, picture)
    for index, box in enumerate(request.boxes):
        is_inside = box.x_max <= picture.width and box.y_max <= picture.height
        _check(f"boxes.{index}", is_inside, picture)
        if box.x_min >= box.x_max or box.y_min >= box.y_max:
            raise InvalidRequest(
                f"boxes.{index}: it is empty.", field=f"boxes.{index}", hint="x_min < x_max, y_min < y_max."
            )


def _check(field: str, is_inside: bool, picture: Image.Image) -> None:
    if not is_inside:
        raise InvalidRequest(
            f"{field}: it is outside of the picture, which has {picture.width} x {picture.height} pixels.",
            field=field,
            hint="Count pixels of the picture as it was given, from its upper left corner.",
        )
