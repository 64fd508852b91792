"""The kinds of job: each with its request, its result and the queue it waits in."""

from typing import Any

from pydantic import ValidationError

from brushwork_schemas.errors import UnknownKind
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest, ImageClassificationResult
from brushwork_schemas.kinds.image_classification_training import (
    ImageClassificationTrainingRequest,
    ImageClassificationTrainingResult,
)
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest, ImageSegmentationResult
from brushwork_schemas.kinds.image_to_image import ImageToImageRequest, ImageToImageResult
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest, ImageToTextResult
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingRequest, ImageUpscalingResult
from brushwork_schemas.kinds.inpainting import InpaintingRequest, InpaintingResult
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.text_to_image import TextToImageRequest, TextToImageResult

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("text-to-image", TextToImageRequest, TextToImageResult),
        Kind("image-to-image", ImageToImageRequest, ImageToImageResult),
        Kind("inpainting", InpaintingRequest, InpaintingResult),
        Kind("image-upscaling", ImageUpscalingRequest, ImageUpscalingResult),
        Kind("image-to-text", ImageToTextRequest, ImageToTextResult),
        Kind(
            "image-classification",
            ImageClassificationRequest,
            ImageClassificationResult,
        ),
        Kind("image-segmentation", ImageSegmentationRequest, ImageSegmentationResult),
        Kind(
            "image-classification-training",
            ImageClassificationTrainingRequest,
            ImageClassificationTrainingResult,
        ),
    )
}

# Of all kinds together; a field of one name is of one sort everywhere.
FILES: dict[str, str] = {name: sort for kind in KINDS.values() for name, sort in kind.files.items()}


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UnknownKind: There is none.
    """
    try:
        return KINDS[name]
    except (KeyError, TypeError):
        raise UnknownKind(
            f"There is no kind {name!r}.", field="kind", hint=f"Kinds are {', '.join(KINDS)}."
        ) from None


def typed_request(kind_name: str, stored: Any) -> Any:
    """A stored request as its kind's model; of an unknown kind, or one that was refused, as it stands."""
    kind = KINDS.get(kind_name)
    try:
        return kind.request_type.model_validate(stored) if kind else stored
    except ValidationError:
        # A job that was refused keeps its sender's own words, whatever they were.
        return stored


def typed_result(kind_name: str, stored: Any) -> Any:
    """A stored result as its kind's model."""
    kind = KINDS.get(kind_name)
    try:
        return kind.result_type.model_validate(stored) if kind and stored is not None else stored
    except ValidationError:
        # Written by a newer brushwork: one such job must not hide all others from a list.
        return stored
