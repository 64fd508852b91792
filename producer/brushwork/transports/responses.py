"""Parse the responses of a gateway into the types that a direct client returns."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from brushwork_schemas.artifact import Artifact, ByteSource, artifacts_within
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.registry import typed_request, typed_result
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid
from brushwork_schemas.worker import SeenWorker
from pydantic import BaseModel, ValidationError

from brushwork.transports.flow import HttpResponse
from brushwork.transports.transport import Jobs

_Model = TypeVar("_Model", bound=BaseModel)
_WORKER_FIELDS = {field.name for field in fields(SeenWorker)}


class Responses:
    """Parses responses. Each method raises `ServiceUnreachable` if the content is not what it should be.

    Args:
        files: Where the artifacts of a response read their bytes from.
    """

    def __init__(self, files: ByteSource) -> None:
        self._files = files

    def job(self, response: HttpResponse) -> Job:
        """Return the job."""
        return self._job(_content(response))

    def jobs(self, response: HttpResponse) -> tuple[Jobs, str | None]:
        """Return the jobs of a page, and the cursor of the next page or None."""
        content = _content(response)
        found = [self._job(each) for each in _items(content, "jobs")]
        return found, content.get("next")

    def canceled(self, response: HttpResponse) -> Job:
        """Return the job that was canceled."""
        return self._job(_content(response).get("job"))

    def outlook(self, response: HttpResponse) -> Outlook | None:
        """Return the outlook in the response to a request for a job."""
        outlook = _content(response).get("outlook")
        return None if outlook is None else _parsed(Outlook, outlook)

    def artifact(self, response: HttpResponse) -> Artifact:
        """Return the file that was stored."""
        artifact = _parsed(Artifact, _content(response))
        artifact.bind(self._files)
        return artifact

    def provenance(self, response: HttpResponse) -> ProvenanceReport:
        """Return the report about a file."""
        return _parsed(ProvenanceReport, _content(response))

    def preview(self, response: HttpResponse) -> Preview | None:
        """Return the preview; None if the response is empty."""
        if response.status == 204:
            return None
        try:
            return Preview.model_validate_json(response.content)
        except ValidationError as error:
            raise _unreadable("it is not a preview") from error

    def models(self, response: HttpResponse) -> list[Model]:
        """Return the models."""
        return [_model(each) for each in _items(_content(response), "models")]

    def kinds(self, response: HttpResponse) -> list[KindDescription]:
        """Return the kinds of job."""
        return [_parsed(KindDescription, each) for each in _items(_content(response), "kinds")]

    def workers(self, response: HttpResponse) -> list[SeenWorker]:
        """Return the workers."""
        return [_worker(each) for each in _items(_content(response), "workers")]

    def queues(self, response: HttpResponse) -> list[QueueState]:
        """Return the queues of all kinds."""
        return [_parsed(QueueState, each) for each in _items(_content(response), "queues")]

    def _job(self, content: Any) -> Job:
        # `Job` ignores unknown fields: links, and fields that a newer gateway adds.
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


def _content(response: HttpResponse) -> dict[str, Any]:
    try:
        content = json.loads(response.content)
    except ValueError as error:
        raise _unreadable("it is not JSON") from error
    if not isinstance(content, dict):
        raise _unreadable("it is not a JSON object")
    return content


def _items(content: Mapping[str, Any], name: str) -> list[Any]:
    found = content.get(name)
    if not isinstance(found, list):
        raise _unreadable(said("it has no list {name!r}", name=name))
    return found


def _parsed(model: type[_Model], content: Any) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        wrong = first_invalid(error)
        raise _unreadable(said("{wrong}: {reason}", wrong=wrong.name, reason=wrong.reason)) from error


def _model(content: Any) -> Model:
    # A newer gateway may add fields.
    known = (
        content
        if not isinstance(content, dict)
        else {name: value for name, value in content.items() if name in Model.model_fields}
    )
    return _parsed(Model, known)


def _worker(content: Any) -> SeenWorker:
    try:
        known = {name: content[name] for name in _WORKER_FIELDS if name in content}
        return SeenWorker(**{**known, "kinds": tuple(known["kinds"]), "models": tuple(known["models"])})
    except (KeyError, TypeError) as error:
        raise _unreadable("a worker lacks a field") from error


def _unreadable(reason: str) -> ServiceUnreachable:
    return ServiceUnreachable(
        said("The gateway's response can't be read: {reason}.", reason=reason),
        field="url",
        hint="Check that the address is a gateway's, and that client and gateway have the same version.",
    )
