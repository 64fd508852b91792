"""The result of a segmentation job, which is the same for all families."""

from collections.abc import Iterable
from typing import Any

from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest, Segment
from PIL import Image

from brushwork_workers.families.segmentation.class_map import ClassMap
from brushwork_workers.families.segmentation.coco_segments import sorted_by_area
from brushwork_workers.interface import JobContext


def segmentation_result(
    request: ImageSegmentationRequest,
    context: JobContext,
    picture: Image.Image,
    classes: ClassMap,
    segments: Iterable[Segment],
    explanation: Explanation | None = None,
) -> dict[str, Any]:
    """Store the mask, and the overlay if the request asks for it, and return the fields of the result.

    Args:
        request: The request of the job.
        context: The context of the job.
        picture: The input picture.
        classes: The class of each pixel.
        segments: The segments that were found.
        explanation: The explanation that the request asks for.
    """
    overlay = context.save_picture(classes.overlay(picture)) if request.overlay else None
    return {
        "mask": context.save_picture(classes.mask()),
        "overlay": overlay,
        "labels": tuple(classes.labels),
        "areas": classes.areas(),
        "segments": sorted_by_area(segments),
        "explanation": explanation,
    }
