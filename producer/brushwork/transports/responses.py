"""Answers of a gateway, read: the same typed models that a direct client returns."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from brushwork_schemas.artifact import Artifact, ByteSource, artifacts_within
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.registry import typed_request, typed_result
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.validation import first_invalid
from brushwork_schemas.worker import SeenWorker
from pydantic import BaseModel, ValidationError

from brushwork.transports.exchange import HttpResponse

Jobs = list[Job]
_Model = TypeVar("_Model", bound=BaseModel)
_WORKER_FIELDS = {field.name for field in fields(SeenWorker)}


class Responses:
    """Reads answers.

    Args:
        files: Where the files that they name are fetched from.
    """

    def __init__(self, files: ByteSource) -> None:
        self._files = files

    def job(self, answer: HttpResponse) -> Job:
        """A job."""
        return self._job(_content(answer))

    def jobs(self, answer: HttpResponse) -> tuple[Jobs, str | None]:
        """Jobs, and where the next page begins."""
        content = _content(answer)
        found = [self._job(each) for each in _items(content, "jobs")]
        return found, content.get("next")

    def canceled(self, answer: HttpResponse) -> Job:
        """The job of a cancellation."""
        return self._job(_content(answer).get("job"))

    def outlook(self, answer: HttpResponse) -> Outlook | None:
        """What lies ahead of the job that an answer shows."""
        outlook = _content(answer).get("outlook")
        return None if outlook is None else _parsed(Outlook, outlook)

    def artifact(self, answer: HttpResponse) -> Artifact:
        """A file that was stored."""
        artifact = _parsed(Artifact, _content(answer))
        artifact.bind(self._files)
        return artifact

    def preview(self, answer: HttpResponse) -> Preview | None:
        """A preview; None where the answer is empty."""
        if answer.status == 204:
            return None
        try:
            return Preview.model_validate_json(answer.content)
        except ValidationError as error:
            raise _strange("it is no preview") from error

    def models(self, answer: HttpResponse) -> list[Model]:
        """Entries of the catalogue."""
        return [_model(each) for each in _items(_content(answer), "models")]

    def kinds(self, answer: HttpResponse) -> list[KindDescription]:
        """Kinds of job."""
        return [_parsed(KindDescription, each) for each in _items(_content(answer), "kinds")]

    def workers(self, answer: HttpResponse) -> list[SeenWorker]:
        """Workers."""
        return [_worker(each) for each in _items(_content(answer), "workers")]

    def queues(self, answer: HttpResponse) -> list[QueueState]:
        """Queues of all kinds."""
        return [_parsed(QueueState, each) for each in _items(_content(answer), "queues")]

    def _job(self, content: Any) -> Job:
        # Job lets fields pass that it does not know: links, and whatever a newer gateway adds.
        read = _parsed(Job, content)
        job = read.model_copy(
            update={
                "request": typed_request(read.kind, read.request),
                "result": typed_result(read.kind, read.result),
            }
        )
        for artifact in artifacts_within(job.result):
            artifact.bind(self._files)
        return job


def _content(answer: HttpResponse) -> dict[str, Any]:
    try:
        content = json.loads(answer.content)
    except ValueError as error:
        raise _strange("it is no JSON") from error
    if not isinstance(content, dict):
        raise _strange("it is no object")
    return content


def _items(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    if not isinstance(found, list):
        raise _strange(f"it has no list {name!r}")
    return found


def _parsed(model: type[_Model], content: Any) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        wrong = first_invalid(error)
        raise _strange(f"{wrong.name}: {wrong.reason}") from error


def _model(content: Any) -> Model:
    # A newer gateway may say more of it.
    known = (
        content
        if not isinstance(content, dict)
        else {name: value for name, value in content.items() if name in Model.model_fields}
    )
    return _parsed(Model, known)


def _worker(content: Any) -> SeenWorker:
    try:
        said = {name: content[name] for name in _WORKER_FIELDS if name in content}
        return SeenWorker(**{**said, "kinds": tuple(said["kinds"]), "models": tuple(said["models"])})
    except (KeyError, TypeError) as error:
        raise _strange("a worker lacks a field") from error


def _strange(reason: str) -> ServiceUnreachable:
    return ServiceUnreachable(
        f"The gateway's answer can't be read: {reason}.",
        field="url",
        hint="Client and gateway should be of one version; is this address a gateway's?",
    )
