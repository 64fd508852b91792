"""Classes and objects in the COCO format: area, box, and mask in run-length encoding."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from brushwork_schemas.kinds.image_segmentation import Rle, Segment
from pycocotools import mask as coco

from brushwork_workers.families.segmentation.class_map import ClassMap, is_background


def segment(
    mask: npt.NDArray[np.bool_], number: int, label: str | None = None, score: float | None = None
) -> Segment:
    """Describe one class or object.

    Args:
        mask: [height, width], true where the segment is.
        number: The id of the segment.
        label: The name of its class.
        score: The confidence of the model, 0 to 1.
    """
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    left, top, width, height = (float(value) for value in coco.toBbox(encoded))
    rows, columns = (int(side) for side in mask.shape)
    return Segment(
        id=number,
        label=label,
        score=score,
        area=int(coco.area(encoded)),
        bbox=(left, top, width, height),
        segmentation=Rle(size=(rows, columns), counts=encoded["counts"].decode("ascii")),
    )


def segments_of_classes(classes: ClassMap) -> list[Segment]:
    """Return one segment for each class that occurs, except the background."""
    present = (int(index) for index in np.unique(classes.indices))
    shown = [index for index in present if not is_background(classes.labels[index])]
    return [
        segment(classes.indices == index, number, classes.labels[index])
        for number, index in enumerate(shown, start=1)
    ]


def sorted_by_area(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return the segments that cover at least one pixel, largest first."""
    return tuple(sorted((found for found in segments if found.area), key=lambda found: -found.area))
