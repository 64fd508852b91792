"""One job of a model that gives a score to each class for each pixel."""

from collections.abc import Callable
from typing import Any

from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from PIL import Image

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.families.segmentation.certainty import ClassScores
from brushwork_workers.families.segmentation.class_map import ClassMap, best_class
from brushwork_workers.families.segmentation.coco_segments import segments_of_classes
from brushwork_workers.families.segmentation.explaining import ExplainedPicture
from brushwork_workers.families.segmentation.result import segmentation_result
from brushwork_workers.interface import JobContext


def segmented(
    request: ImageSegmentationRequest,
    context: JobContext,
    scores_of: Callable[[Image.Image], ClassScores],
    model_executor: ModelExecutor,
) -> dict[str, Any]:
    """Segment the picture of a job, and explain it if the request asks for it.

    Args:
        request: The request of the job.
        context: The context of the job.
        scores_of: Calls the model for a picture.
        model_executor: Runs the calls.

    Returns:
        The fields of the result.
    """
    picture = context.picture(request.image)
    scores = scores_of(picture)
    explained = ExplainedPicture(picture, scores, scores.labels, scores_of, model_executor)
    explanation = explained.explanation(request, context)
    classes = ClassMap(best_class(scores.values, (picture.height, picture.width)), scores.labels)
    segments = segments_of_classes(classes)
    return segmentation_result(request, context, picture, classes, segments, explanation)
