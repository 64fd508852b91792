"""A map of the class of each pixel, with its mask, overlay and areas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from PIL import Image
from torch import Tensor
from torch.nn import functional

OVERLAY_SHARE = 0.55
MAX_CLASSES = 256
BACKGROUND = "background"
# Scores are enlarged for this many classes at a time: all classes at the size of a large picture would not
# fit into memory.
CLASSES_AT_ONCE = 16

Indices = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClassMap:
    """The class of each pixel of a picture.

    Args:
        indices: [height, width], each value an index into `labels`.
        labels: The names of the classes. The first may be a background, which is black in the mask and
            transparent in the overlay.
    """

    indices: Indices
    labels: Sequence[str]

    @property
    def has_background(self) -> bool:
        """Whether class 0 is the background."""
        return is_background(self.labels[0])

    def mask(self) -> Image.Image:
        """Return the indices as a picture with a palette."""
        mask = Image.fromarray(self.indices).convert("L")
        mask.putpalette(palette(MAX_CLASSES) if self.has_background else palette(MAX_CLASSES + 1)[3:])
        return mask

    def overlay(self, picture: Image.Image) -> Image.Image:
        """Return the picture with the colours of the classes blended over it."""
        mask = self.mask()
        coloured = Image.blend(picture, mask.convert("RGB"), OVERLAY_SHARE)
        if not self.has_background:
            return coloured
        is_object = mask.point([0] + [255] * 255, "L")
        return Image.composite(coloured, picture, is_object)

    def areas(self) -> dict[str, float]:
        """Return the share of the pixels of each class that occurs, 0 to 1, added up by label."""
        counts = np.bincount(self.indices.ravel(), minlength=len(self.labels))
        found: dict[str, float] = {}
        for label, count in zip(self.labels, counts, strict=True):
            if count:
                found[label] = found.get(label, 0.0) + int(count) / self.indices.size
        return found


def labels_of(config: Any) -> tuple[str, ...]:
    """Return the names of the classes of a transformers configuration, in their order.

    Raises:
        ModelUnavailable: There are more classes than a picture with a palette can have.
    """
    if config.num_labels >= MAX_CLASSES:
        raise ModelUnavailable(
            said(
                "The model has {num_labels} classes, but a mask can hold at most {max_classes}.",
                num_labels=config.num_labels,
                max_classes=MAX_CLASSES - 1,
            ),
            field="source",
            hint="Choose a checkpoint with fewer classes.",
        )
    return tuple(str(config.id2label.get(index, index)) for index in range(config.num_labels))


def is_background(label: str) -> bool:
    """Return whether a label names the background: `background`, or `__background__` as in PASCAL VOC."""
    return label.strip("_").lower() == BACKGROUND


def best_class(scores: Tensor, size: tuple[int, int]) -> Indices:
    """Enlarge scores bilinearly and return the class of the highest score for each pixel.

    Args:
        scores: [classes, height, width], float32.
        size: Height and width of the result, in pixels.
    """
    best_scores, indices = None, torch.zeros(size, dtype=torch.uint8)
    for start in range(0, len(scores), CLASSES_AT_ONCE):
        chunk = scores[start : start + CLASSES_AT_ONCE][None]
        enlarged = functional.interpolate(chunk, size=size, mode="bilinear", align_corners=False)[0]
        chunk_scores, chunk_classes = enlarged.max(dim=0)
        # Of equal scores the first class wins, as in argmax.
        is_better = torch.ones(size, dtype=torch.bool) if best_scores is None else chunk_scores > best_scores
        best_scores = (
            chunk_scores if best_scores is None else torch.where(is_better, chunk_scores, best_scores)
        )
        indices = torch.where(is_better, (chunk_classes + start).to(torch.uint8), indices)
    found: Indices = indices.numpy()
    return found


def palette(num_classes: int) -> list[int]:
    """Return clearly different colours for any number of classes, as flat RGB values. Class 0 is black.

    The bits of the class index are distributed over the three channels, starting with the highest bit of
    each, as in the colour map of PASCAL VOC (Everingham et al., 2010).
    """
    colours = []
    for index in range(num_classes):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours += channels
    return colours
