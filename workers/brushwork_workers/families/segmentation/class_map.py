"""A class for each pixel, as pictures and shares."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from brushwork_schemas.errors import ModelUnavailable
from PIL import Image
from torch import Tensor
from torch.nn import functional

OVERLAY_SHARE = 0.55
MAX_CLASSES = 256
BACKGROUND = "background"
# So many classes are enlarged at once: all of them at the size of a large picture would fill the memory.
CLASSES_AT_ONCE = 16

Indices = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ClassMap:
    """A class for each pixel.

    Args:
        indices: [height, width], each an index into `labels`.
        labels: Of the classes; the first may be a background, which is black and is not laid over a picture.
    """

    indices: Indices
    labels: Sequence[str]

    @property
    def has_background(self) -> bool:
        """Whether class 0 is what belongs to nothing."""
        return is_background(self.labels[0])

    def mask(self) -> Image.Image:
        """The indices as a picture with a palette."""
        mask = Image.fromarray(self.indices).convert("L")
        mask.putpalette(palette(MAX_CLASSES) if self.has_background else palette(MAX_CLASSES + 1)[3:])
        return mask

    def overlay(self, picture: Image.Image) -> Image.Image:
        """The picture with the classes laid over it in colour."""
        mask = self.mask()
        coloured = Image.blend(picture, mask.convert("RGB"), OVERLAY_SHARE)
        if not self.has_background:
            return coloured
        is_object = mask.point([0] + [255] * 255, "L")
        return Image.composite(coloured, picture, is_object)

    def areas(self) -> dict[str, float]:
        """The share of each class that occurs, 0 to 1; classes of one name are added up."""
        counts = np.bincount(self.indices.ravel(), minlength=len(self.labels))
        found: dict[str, float] = {}
        for label, count in zip(self.labels, counts, strict=True):
            if count:
                found[label] = found.get(label, 0.0) + int(count) / self.indices.size
        return found


def labels_of(config: Any) -> tuple[str, ...]:
    """The classes that a model of transformers names, in their order.

    Raises:
        ModelUnavailable: They are too many for the palette of a picture.
    """
    if config.num_labels >= MAX_CLASSES:
        raise ModelUnavailable(
            f"The model tells {config.num_labels} classes apart; a mask has room for {MAX_CLASSES - 1}.",
            field="source",
            hint="Choose a checkpoint with fewer classes.",
        )
    return tuple(str(config.id2label.get(index, index)) for index in range(config.num_labels))


def is_background(label: str) -> bool:
    """Whether that is the name of no class: `background`, or PASCAL VOC's `__background__`."""
    return label.strip("_").lower() == BACKGROUND


def best_class(scores: Tensor, size: tuple[int, int]) -> Indices:
    """The class of the highest score for each pixel, of scores that are enlarged first, bilinearly.

    Args:
        scores: [classes, height, width], float32.
        size: Height and width of the answer.
    """
    best, indices = None, torch.zeros(size, dtype=torch.uint8)
    for start in range(0, len(scores), CLASSES_AT_ONCE):
        some = scores[start : start + CLASSES_AT_ONCE][None]
        large = functional.interpolate(some, size=size, mode="bilinear", align_corners=False)[0]
        highest, which = large.max(dim=0)
        # The first of equals, as argmax has it.
        is_better = torch.ones(size, dtype=torch.bool) if best is None else highest > best
        best = highest if best is None else torch.where(is_better, highest, best)
        indices = torch.where(is_better, (which + start).to(torch.uint8), indices)
    found: Indices = indices.numpy()
    return found


def palette(num_classes: int) -> list[int]:
    """Colours well apart for any number of classes, as flat RGB; class 0 is black.

    The bits of the class index are dealt to the three channels from the highest down, as in the colour map
    of PASCAL VOC (Everingham et al., 2010).
    """
    colours = []
    for index in range(num_classes):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours += channels
    return colours
