"""What a segmentation job answers, whatever model found the classes."""

from collections.abc import Iterable
from typing import Any

from brushwork_schemas.requests import ImageSegmentationRequest
from brushwork_schemas.results import Segment
from PIL import Image

from brushwork_workers.desk import Desk
from brushwork_workers.kinds.segments.class_map import ClassMap
from brushwork_workers.kinds.segments.coco_segments import largest_first


def answer(
    request: ImageSegmentationRequest,
    desk: Desk,
    picture: Image.Image,
    classes: ClassMap,
    segments: Iterable[Segment],
) -> dict[str, Any]:
    """The fields of the result, its pictures stored: mask and, where asked for, overlay."""
    overlay = desk.keep(classes.overlay(picture)) if request.overlay else None
    return {
        "mask": desk.keep(classes.mask()),
        "overlay": overlay,
        "labels": tuple(classes.labels),
        "areas": classes.areas(),
        "segments": largest_first(segments),
    }
