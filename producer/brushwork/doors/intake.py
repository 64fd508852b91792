"""What callers submit, checked as a whole before anything of it is stored."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.admission import Admitted, admit
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import BrushworkError, InvalidRequest, JobNotEnded
from brushwork_schemas.job import Job
from brushwork_schemas.options import JobOptions, digest, taken_options
from brushwork_schemas.requests import Request
from pydantic import BaseModel

from brushwork.image_input import ImageInputs

# Stands for the picture while all else is checked.
NO_PICTURE_YET = "0" * 64


@dataclass
class Draft:
    """A request on its way to a job: its parameters are checked, its picture is read and not stored yet."""

    admitted: Admitted
    options: JobOptions
    said: Mapping[str, Any]
    image: object
    picture: Artifact | bytes | None = None


@dataclass(frozen=True)
class Complete:
    """A draft whose picture is stored: all that a job is made of.

    Args:
        sha256: Of what the caller said, where a key asks for it: a seed that was drawn differs each time.
    """

    admitted: Admitted
    options: JobOptions
    request: Request
    inputs: tuple[Artifact, ...]
    sha256: str | None


class Intake:
    """Turns requests into what jobs are made of.

    Args:
        catalogue: The models that can be asked for.
        images: Reads and stores pictures.
    """

    def __init__(self, catalogue: Catalogue, images: ImageInputs) -> None:
        self._catalogue = catalogue
        self._images = images

    def complete(self, requests: Sequence[Mapping[str, Any]]) -> list[Complete]:
        """All of them, with their pictures stored; where one is wrong nothing is, so no file stays behind.

        Raises:
            RequestError: One is wrong; the message starts with its index where there are several.
        """
        kept: dict[int, Artifact] = {}
        return [self._completed(draft, kept) for draft in self._drafts(requests)]

    def _drafts(self, requests: Sequence[Mapping[str, Any]]) -> list[Draft]:
        drafts = []
        for index, request in enumerate(requests):
            with placed(index, len(requests)):
                drafts.append(self._checked(request))
        # One picture of many requests is read once, and held once.
        read: dict[object, Artifact | bytes] = {}
        for index, draft in enumerate(drafts):
            if draft.image is None:
                continue
            name = draft.image if isinstance(draft.image, str | bytes) else id(draft.image)
            with placed(index, len(requests)):
                if name not in read:
                    read[name] = self._images.read(draft.image)
            draft.picture = read[name]
        return drafts

    def _checked(self, request: Mapping[str, Any]) -> Draft:
        if not isinstance(request, Mapping):
            raise InvalidRequest(f"A request is a mapping with its kind, no {type(request).__name__}.")
        parameters = dict(request)
        kind = parameters.pop("kind", None)
        options = taken_options(parameters)
        image = parameters.get("image")
        said = {name: value for name, value in parameters.items() if name != "image"}
        if image is not None:
            parameters["image"] = NO_PICTURE_YET
        return Draft(admit(kind, parameters, self._catalogue), options, said, image)

    def _completed(self, draft: Draft, kept: dict[int, Artifact]) -> Complete:
        request = draft.admitted.request
        inputs: tuple[Artifact, ...] = ()
        if draft.picture is not None:
            if id(draft.picture) not in kept:
                kept[id(draft.picture)] = self._images.keep(draft.picture)
            inputs = (kept[id(draft.picture)],)
            request = request.model_copy(update={"image": inputs[0].sha256})
        has_key = draft.options.idempotency_key is not None
        sha256 = digest(draft.admitted.kind.name, draft.said, inputs) if has_key else None
        return Complete(draft.admitted, draft.options, request, inputs, sha256)


def repeated(old: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request that a retry of `old` submits.

    Raises:
        JobNotEnded: It can't be retried yet.
    """
    if not old.is_finished:
        raise JobNotEnded(
            f"Job {old.id} is {old.state}: only one that has ended can be run again.",
            hint="Wait for its end, or cancel it.",
        )
    said = old.request.model_dump() if isinstance(old.request, BaseModel) else dict(old.request)
    kept = {"priority": old.priority, "tenant": old.tenant, "group": old.group}
    return {**said, **kept, **changes, "kind": old.kind}


@contextmanager
def placed(index: int, count: int) -> Iterator[None]:
    """Say in an error which of several requests it is about."""
    try:
        yield
    except BrushworkError as error:
        error.index = index
        if count > 1:
            error.message = f"requests[{index}]: {error.message}"
        raise
