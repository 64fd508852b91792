"""The kinds of job: each with its request, its result and the queue it waits in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from brushwork_schemas import requests, results
from brushwork_schemas.errors import UnknownKind

PICTURE, ARCHIVE = "image/*", "application/zip"


@dataclass(frozen=True)
class Kind:
    """One kind of job. Its queue bears its name; its Celery task is `brushwork.<name>`."""

    name: str
    request_type: type[requests.Request]
    result_type: type[results.Result]

    @property
    def task_name(self) -> str:
        """Name of the Celery task, also for programs that know nothing of brushwork."""
        return f"brushwork.{self.name}"

    @property
    def takes_image(self) -> bool:
        """Whether its request is about a picture, `image`."""
        return "image" in self.request_type.model_fields

    @cached_property
    def files(self) -> dict[str, str]:
        """Fields of its request that name files, the main picture first, and the sort of each.

        The sort is `image/*` or `application/zip`.
        """
        schema = self.request_type.model_json_schema()["properties"]
        found = {name: _media_type(schema[name]) for name in sorted(schema, key="image".__ne__)}
        return {name: sort for name, sort in found.items() if sort}

    @property
    def pictures(self) -> tuple[str, ...]:
        """Those of them that are pictures; the main one first."""
        return tuple(name for name, sort in self.files.items() if sort == PICTURE)


def _media_type(field: dict[str, Any]) -> str | None:
    ways = (field, *field.get("anyOf", ()))
    return next((way["contentMediaType"] for way in ways if "contentMediaType" in way), None)


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("text-to-image", requests.TextToImageRequest, results.TextToImageResult),
        Kind("image-to-image", requests.ImageToImageRequest, results.ImageToImageResult),
        Kind("inpainting", requests.InpaintingRequest, results.InpaintingResult),
        Kind("image-upscaling", requests.ImageUpscalingRequest, results.ImageUpscalingResult),
        Kind("image-to-text", requests.ImageToTextRequest, results.ImageToTextResult),
        Kind(
            "image-classification",
            requests.ImageClassificationRequest,
            results.ImageClassificationResult,
        ),
        Kind("image-segmentation", requests.ImageSegmentationRequest, results.ImageSegmentationResult),
        Kind(
            "image-classification-training",
            requests.ImageClassificationTrainingRequest,
            results.ImageClassificationTrainingResult,
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
