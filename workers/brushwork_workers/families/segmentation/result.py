"""What a segmentation job answers, whatever model found the classes."""

from collections.abc import Iterable
from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest, Segment
from PIL import Image

from brushwork_workers.families.segmentation.class_map import ClassMap
from brushwork_workers.families.segmentation.coco_segments import largest_first
from brushwork_workers.interface import JobContext


def answer(
    request: ImageSegmentationRequest,
    context: JobContext,
    picture: Image.Image,
    classes: ClassMap,
    segments: Iterable[Segment],
) -> dict[str, Any]:
    """The fields of the result, its pictures stored: mask and, where asked for, overlay."""
    overlay = context.save_picture(classes.overlay(picture)) if request.overlay else None
    return {
        "mask": context.save_picture(classes.mask()),
        "overlay": overlay,
        "labels": tuple(classes.labels),
        "areas": classes.areas(),
        "segments": largest_first(segments),
    }
