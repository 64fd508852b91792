"""What a client says to a gateway and hears from it, written once; others carry it there and back."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from brushwork_schemas.artifact import Artifact, ByteSource, is_sha256
from brushwork_schemas.catalogue import Model
from brushwork_schemas.catalogue.kind_descriptions import KindDescription
from brushwork_schemas.cursor import Cursor
from brushwork_schemas.errors import (
    ArtifactMissing,
    FileNotFound,
    InvalidImage,
    InvalidRequest,
    JobNotFound,
    ServiceUnreachable,
)
from brushwork_schemas.job import Job, Progress, checked_id
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker

from brushwork.inputs.dataset_input import GivenArchive, is_archive, read_archive
from brushwork.inputs.image_input import payload
from brushwork.transports.exchange import HttpRequest, HttpResponse, Pause, Talk, Work
from brushwork.transports.payload import MOST_ALONG_BYTES, data_address, encoded, packed
from brushwork.transports.responses import Responses
from brushwork.transports.retrying import Retrying
from brushwork.transports.transport import Jobs
from brushwork.waiting import LONGEST_POLL_S, PollingWait

JSON = {"Content-Type": "application/json"}
# A gateway gives at most so many at once.
PAGE = 1000
# A gateway holds a question so long at most while a job goes on; proxies hang up after a minute.
LONGEST_HOLD_S = 20
# Asking by HTTP costs more than a look into the ledger.
SHORTEST_POLL_S = 0.02
LONGEST_SILENT_POLL_S = 1.0
# A gateway that ended is back before that, where anybody starts it again.
LONGEST_ABSENCE_S = 20.0
# The gateway answers once it has stored all of it.
LONGEST_STORING_S = 600.0
PICTURES = tuple(name for name, sort in file_fields().items() if sort != ARCHIVE)
DATASETS = tuple(name for name, sort in file_fields().items() if sort == ARCHIVE)


class GatewayProtocol:
    """Each method as `Client` says.

    Args:
        retrying: Asks the gateway.
        files: Where artifacts fetch their bytes from.
    """

    def __init__(self, retrying: Retrying, files: ByteSource) -> None:
        self._ask = retrying.asked
        self._read = Responses(files)

    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Talk[Jobs]:
        """As `Client.submit_many`."""
        if not requests:
            return []
        ready: list[dict[str, Any]] = yield Work(lambda: packed(requests))
        yield from self._with_datasets(ready)
        if len(ready) == 1:
            return [self._read.job((yield from self._ask(_submission(ready[0]))))]
        yield from self._with_pictures(ready)
        content = yield Work(lambda: encoded({"requests": ready}))
        answer = yield from self._ask(HttpRequest("POST", "/v1/jobs:batch", headers=JSON, content=content))
        return self._read.jobs(answer)[0]

    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Talk[Job]:
        """As `Client.retry`."""
        path = f"{_job_path(job_id)}/retry"
        ready: list[dict[str, Any]] = yield Work(lambda: packed([changes]))
        yield from self._with_datasets(ready)
        yield from self._with_pictures(ready)
        call = HttpRequest("POST", path, headers=JSON, content=encoded(ready[0]))
        return self._read.job((yield from self._ask(call)))

    def get(self, job_id: str) -> Talk[Job]:
        """As `Client.get`."""
        return self._read.job((yield from self._ask(HttpRequest("GET", _job_path(job_id)))))

    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Talk[Jobs]:
        """As `Client.list`."""
        query = _query(wanted)
        jobs: Jobs = []
        cursor = None if before is None else Cursor.of(before).text
        while True:
            page = {**query, "limit": str(min(limit - len(jobs), PAGE))}
            if cursor is not None:
                page["cursor"] = cursor
            found, cursor = self._read.jobs(
                (yield from self._ask(HttpRequest("GET", "/v1/jobs", query=page)))
            )
            jobs += found
            if cursor is None or len(jobs) >= limit:
                return jobs

    def look(self, job_id: str) -> Talk[tuple[JobState, Progress]]:
        """As `Client.look`."""
        job = yield from self.get(job_id)
        return job.state, job.progress

    def preview(self, job_id: str) -> Talk[Preview | None]:
        """As `Client.preview`."""
        return self._read.preview((yield from self._ask(HttpRequest("GET", f"{_job_path(job_id)}/preview"))))

    def wait(self, job_id: str, waiting: PollingWait) -> Talk[Job]:
        """As `Client.wait`."""
        path = _job_path(job_id)
        longest_s = LONGEST_SILENT_POLL_S if waiting.is_silent else LONGEST_POLL_S
        while True:
            hold_s = int(min(max(0.0, waiting.left_s()), LONGEST_HOLD_S)) if waiting.is_silent else 0
            headers = {"Prefer": f"wait={hold_s}"} if hold_s else {}
            began = time.monotonic()
            call = HttpRequest("GET", path, headers=headers, held_s=hold_s)
            job = self._read.job((yield from self._ask_while_waiting(call, waiting)))
            if waiting.is_over(job.state, job.progress):
                return job
            if waiting.wants_preview():
                call = HttpRequest("GET", f"{path}/preview")
                waiting.show(self._read.preview((yield from self._ask_while_waiting(call, waiting))))
            # A gateway that stops, or at which too many wait, holds no question.
            if not hold_s or time.monotonic() - began < hold_s / 2:
                yield Pause(waiting.pause_s(SHORTEST_POLL_S, longest_s))

    def cancel(self, job_id: str) -> Talk[Job]:
        """As `Client.cancel`."""
        return self._read.canceled((yield from self._ask(HttpRequest("POST", f"{_job_path(job_id)}/cancel"))))

    def outlook(self, job_id: str) -> Talk[Outlook | None]:
        """As `Client.outlook`."""
        return self._read.outlook((yield from self._ask(HttpRequest("GET", _job_path(job_id)))))

    def upload(self, file: object) -> Talk[Artifact]:
        """As `Client.upload`."""
        if isinstance(file, Artifact):
            return file
        if (yield Work(lambda: is_archive(file))):
            return (yield from self._dataset_uploaded(file, "dataset"))
        given: str | bytes = yield Work(lambda: payload(file))
        if isinstance(given, str):
            raise InvalidImage(
                "image: what lies at an address, or is stored already, can't be brought.",
                field="image",
                hint="Give it to `submit` as it is.",
            )
        return (yield from self._uploaded(given, "image"))

    def artifact_bytes(self, sha256: str) -> Talk[bytes]:
        """As `Client.artifact_bytes`."""
        if not is_sha256(sha256):
            raise ArtifactMissing(f"There is no artifact {ascii(sha256)[:80]}.")
        try:
            answer = yield from self._ask(HttpRequest("GET", f"/v1/files/{sha256}"))
        except FileNotFound as error:
            raise ArtifactMissing(error.message, field=error.field, hint=error.hint) from error
        return answer.content

    def models(self, kind: str | None) -> Talk[Sequence[Model]]:
        """As `Client.models`."""
        models = self._read.models((yield from self._ask(HttpRequest("GET", "/v1/models"))))
        return [model for model in models if kind is None or kind in model.kinds]

    def kinds(self) -> Talk[Sequence[KindDescription]]:
        """As `Client.kinds`."""
        return self._read.kinds((yield from self._ask(HttpRequest("GET", "/v1/kinds"))))

    def workers(self) -> Talk[Sequence[SeenWorker]]:
        """As `Client.workers`."""
        return self._read.workers((yield from self._ask(HttpRequest("GET", "/v1/workers"))))

    def queues(self) -> Talk[Sequence[QueueState]]:
        """As `Client.queues`."""
        return self._read.queues((yield from self._ask(HttpRequest("GET", "/v1/queues"))))

    def _ask_while_waiting(self, call: HttpRequest, waiting: PollingWait) -> Talk[HttpResponse]:
        """The answer; a gateway that has answered this wait before may be away for a while."""
        gone_at: float | None = None
        while True:
            try:
                return (yield from self._ask(call))
            except ServiceUnreachable:
                gone_at = gone_at or time.monotonic()
                if not waiting.has_begun or time.monotonic() - gone_at > LONGEST_ABSENCE_S:
                    raise
            yield Pause(waiting.pause_s(SHORTEST_POLL_S, LONGEST_SILENT_POLL_S))

    def _with_pictures(self, ready: Sequence[dict[str, Any]]) -> Talk[None]:
        """Put names or data addresses in place of the bytes of pictures."""
        given = [(each, name) for each in ready for name in PICTURES if isinstance(each.get(name), bytes)]
        go_along = sum(len(request[name]) for request, name in given) <= MOST_ALONG_BYTES
        names: dict[bytes, str] = {}
        for request, name in given:
            data = request[name]
            if not go_along and data not in names:
                names[data] = (yield from self._uploaded(data, name)).sha256
            request[name] = data_address(data) if go_along else names[data]

    def _with_datasets(self, ready: Sequence[dict[str, Any]]) -> Talk[None]:
        """Bring data sets ahead, each once, and put their names in their places."""
        names: dict[object, str] = {}
        for request, name in ((each, name) for each in ready for name in DATASETS if name in each):
            given = request[name]
            key = given if isinstance(given, str | bytes) else id(given)
            if key not in names:
                names[key] = yield from self._dataset_named(given, name)
            request[name] = names[key]

    def _uploaded(self, data: bytes, field: str) -> Talk[Artifact]:
        try:
            answer = yield from self._ask(HttpRequest("POST", "/v1/files", files={"file": data}))
        except InvalidImage as error:
            error.field = field
            raise
        return self._read.artifact(answer)

    def _dataset_uploaded(self, given: object, field: str) -> Talk[Artifact]:
        archive: GivenArchive = yield Work(lambda: read_archive(given, field))
        try:
            headers = {"Content-Type": archive.media_type}
            call = HttpRequest(
                "POST", "/v1/files", headers=headers, content=archive.file, held_s=LONGEST_STORING_S
            )
            return self._read.artifact((yield from self._ask(call)))
        finally:
            archive.close()

    def _dataset_named(self, given: object, field: str) -> Talk[str]:
        if isinstance(given, Artifact):
            return given.sha256
        if isinstance(given, str) and is_sha256(given):
            return given
        return (yield from self._dataset_uploaded(given, field)).sha256


def _submission(request: dict[str, Any]) -> HttpRequest:
    files = {name: request[name] for name in PICTURES if isinstance(request.get(name), bytes)}
    if not files:
        return HttpRequest("POST", "/v1/jobs", headers=JSON, content=encoded(request))
    said = {name: value for name, value in request.items() if name not in files}
    fields = {"request": encoded(said).decode()}
    return HttpRequest("POST", "/v1/jobs", files=files, fields=fields)


def _job_path(job_id: str) -> str:
    if "/" in checked_id(job_id):
        # Jobs by bare Celery messages may have such an id; no path can hold it.
        raise JobNotFound(f"There is no job {job_id!r} that HTTP could name.", field="id")
    # Dots too: a path that ends in two of them would be another.
    return f"/v1/jobs/{quote(job_id, safe='').replace('.', '%2E')}"


def _query(wanted: JobFilter) -> dict[str, str]:
    query = {}
    for name in ("kind", "state", "model", "tenant", "group", "text", "created_after", "created_before"):
        value = getattr(wanted, name)
        if isinstance(value, datetime):
            query[name] = value.astimezone(UTC).isoformat()
        elif isinstance(value, str):
            query[name] = str(value)
        elif value is not None:
            raise InvalidRequest(f"{name}: a {type(value).__name__} is no word.", field=name)
    return query
