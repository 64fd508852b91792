"""The transport that sends HTTP requests to a gateway."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

from brushwork_schemas.artifact import Artifact, is_sha256
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
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
from brushwork_schemas.job import Job, Progress
from brushwork_schemas.job_filter import JobFilter
from brushwork_schemas.kinds.file_places import NO_FILE_YET, values_at, with_values
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields, file_patterns
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.preview import Preview
from brushwork_schemas.queue_state import QueueState
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.worker import SeenWorker

from brushwork.inputs.archive_files import GivenArchive, is_archive, read_archive
from brushwork.inputs.open_files import rewindable
from brushwork.inputs.picture_files import sendable_picture, stored_name
from brushwork.transports.connection import Connection
from brushwork.transports.flow import ConnectionLost, Flow, HttpRequest, HttpResponse, Pause, Work, blocking
from brushwork.transports.job_path import job_segment
from brushwork.transports.payload import MAX_INLINE_BYTES, data_url, encoded, packed
from brushwork.transports.responses import Responses
from brushwork.transports.retrying import Retrying
from brushwork.transports.runners import SyncRunner
from brushwork.transports.transport import Jobs, Transport
from brushwork.transports.waiting import PollingWait

JSON = {"Content-Type": "application/json"}
# Most jobs in one response of the gateway.
FILE = "file"
PAGE = 1000
# Most seconds for which the gateway is asked to delay a response; proxies close connections after a minute.
LONGEST_HOLD_S = 20
# An HTTP request costs more than a query of the ledger, so polls are further apart.
SHORTEST_POLL_S = 0.02
LONGEST_SILENT_POLL_S = 1.0
# A supervised gateway has restarted by then.
LONGEST_ABSENCE_S = 20.0
# The gateway responds to an upload only after it has stored the whole file.
LONGEST_STORING_S = 600.0
PICTURES = tuple(pattern for pattern, sort in file_patterns().items() if sort != ARCHIVE)
DATASETS = tuple(name for name, sort in file_fields().items() if sort == ARCHIVE)


class GatewayTransport(Transport):
    """Asks a gateway by HTTP.

    Args:
        connection: How to reach the gateway.
    """

    shortest_poll_s = SHORTEST_POLL_S

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._address = connection.address
        self._files = GatewayFiles(self, connection)
        self._ask = Retrying(connection.address, connection.patience_s).response_to
        self._read = Responses(self._files)

    @property
    def place(self) -> str:
        """The address of the gateway."""
        return self._address

    def submit_many(self, requests: Sequence[Mapping[str, Any]]) -> Flow[Jobs]:
        """Send one request, or several as a batch. Data sets and large pictures are uploaded first."""
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

    def retry(self, job_id: str, changes: Mapping[str, Any]) -> Flow[Job]:
        """Ask the gateway to run a job again, with `changes`."""
        path = f"{_job_path(job_id)}/retry"
        ready: list[dict[str, Any]] = yield Work(lambda: packed([changes]))
        yield from self._with_datasets(ready)
        yield from self._with_pictures(ready)
        call = HttpRequest("POST", path, headers=JSON, content=encoded(ready[0]))
        return self._read.job((yield from self._ask(call)))

    def get(self, job_id: str) -> Flow[Job]:
        """Ask for the job."""
        return self._read.job((yield from self._ask(HttpRequest("GET", _job_path(job_id)))))

    def list(self, wanted: JobFilter, limit: int, before: Job | None) -> Flow[Jobs]:
        """Ask for pages of jobs until there are `limit`."""
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

    def look(self, job_id: str) -> Flow[tuple[JobState, Progress]]:
        """Ask for the job; HTTP has no shorter response."""
        job = yield from self.get(job_id)
        return job.state, job.progress

    def preview(self, job_id: str) -> Flow[Preview | None]:
        """Ask for the newest preview."""
        return self._read.preview((yield from self._ask(HttpRequest("GET", f"{_job_path(job_id)}/preview"))))

    def wait(self, job_id: str, waiting: PollingWait) -> Flow[Job]:
        """Poll the job until it has ended.

        Without callbacks, each request asks the gateway to delay its response until the job has ended.
        """
        path = _job_path(job_id)
        longest_s = LONGEST_SILENT_POLL_S if waiting.is_silent else self.longest_poll_s
        while True:
            hold_s = int(min(max(0.0, waiting.left_s()), LONGEST_HOLD_S)) if waiting.is_silent else 0
            headers = {"Prefer": f"wait={hold_s}"} if hold_s else {}
            began = time.monotonic()
            call = HttpRequest("GET", path, headers=headers, held_s=hold_s)
            job = self._read.job((yield from self._ask_while_waiting(call, waiting)))
            if waiting.observe(job.state, job.progress):
                return job
            if waiting.wants_preview():
                waiting.show((yield from self.preview_again(job_id, waiting)))
            # The gateway responds at once when it is stopping or when too many clients wait.
            if not hold_s or time.monotonic() - began < hold_s / 2:
                yield Pause(waiting.pause_s(SHORTEST_POLL_S, longest_s))

    def look_again(self, job_id: str, waiting: PollingWait) -> Flow[tuple[JobState, Progress]]:
        """Ask for the job, also while the gateway restarts."""
        call = HttpRequest("GET", _job_path(job_id))
        job = self._read.job((yield from self._ask_while_waiting(call, waiting)))
        return job.state, job.progress

    def preview_again(self, job_id: str, waiting: PollingWait) -> Flow[Preview | None]:
        """Ask for the newest preview, also while the gateway restarts."""
        call = HttpRequest("GET", f"{_job_path(job_id)}/preview")
        return self._read.preview((yield from self._ask_while_waiting(call, waiting)))

    def delete(self, job_id: str) -> Flow[None]:
        """Ask the gateway to delete the job."""
        lost: list[ConnectionLost] = []
        try:
            yield from self._ask(HttpRequest("DELETE", _job_path(job_id)), lost)
        except JobNotFound:
            # The request whose response was lost has deleted the job.
            if not lost:
                raise

    def cancel(self, job_id: str) -> Flow[Job]:
        """Ask the gateway to cancel the job."""
        return self._read.canceled((yield from self._ask(HttpRequest("POST", f"{_job_path(job_id)}/cancel"))))

    def outlook(self, job_id: str) -> Flow[Outlook | None]:
        """Ask for the job with its outlook."""
        return self._read.outlook((yield from self._ask(HttpRequest("GET", _job_path(job_id)))))

    def upload(self, file: object, *, first_frame: bool = False) -> Flow[Artifact]:
        """Upload a picture or a data set."""
        if isinstance(file, Artifact):
            return file
        # A runner closes its flows, and so the copy, in the end.
        with ExitStack() as opened:
            rewound = yield Work(lambda: opened.enter_context(rewindable(file)))
            return (yield from self._stored(rewound, first_frame))

    def _stored(self, file: object, first_frame: bool) -> Flow[Artifact]:
        if (yield Work(lambda: is_archive(file))):
            return (yield from self._dataset_uploaded(file, "dataset"))
        given: str | bytes = yield Work(lambda: sendable_picture(file, first_frame=first_frame))
        if isinstance(given, str):
            raise InvalidImage(
                "image: a URL or the name of a stored file can't be uploaded.",
                field="image",
                hint="Pass it to `submit` directly.",
            )
        return (yield from self._uploaded(given, "image", first_frame))

    def provenance(self, file: object) -> Flow[ProvenanceReport]:
        """Send a picture, or name a stored one, and return the report about it."""
        given: str | bytes = yield Work(lambda: sendable_picture(file, FILE))
        if isinstance(given, bytes):
            call = HttpRequest("POST", "/v1/provenance", files={FILE: given})
        else:
            call = HttpRequest("GET", f"/v1/files/{stored_name(given)}/provenance")
        try:
            return self._read.provenance((yield from self._ask(call)))
        except FileNotFound as error:
            raise ArtifactMissing(error.message, field=error.field, hint=error.hint) from error

    def artifact_bytes(self, sha256: str) -> Flow[bytes]:
        """Download a stored file."""
        if not is_sha256(sha256):
            raise ArtifactMissing(said("There is no artifact {sha256}.", sha256=ascii(sha256)[:80]))
        try:
            answer = yield from self._ask(HttpRequest("GET", f"/v1/files/{sha256}"))
        except FileNotFound as error:
            raise ArtifactMissing(error.message, field=error.field, hint=error.hint) from error
        return answer.content

    def models(self, kind: str | None) -> Flow[Sequence[Model]]:
        """Ask for all models, and keep those of `kind`."""
        models = self._read.models((yield from self._ask(HttpRequest("GET", "/v1/models"))))
        return [model for model in models if kind is None or kind in model.kinds]

    def kinds(self) -> Flow[Sequence[KindDescription]]:
        """Ask for all kinds."""
        return self._read.kinds((yield from self._ask(HttpRequest("GET", "/v1/kinds"))))

    def workers(self) -> Flow[Sequence[SeenWorker]]:
        """Ask for the running workers."""
        return self._read.workers((yield from self._ask(HttpRequest("GET", "/v1/workers"))))

    def queues(self) -> Flow[Sequence[QueueState]]:
        """Ask for the queues of all kinds."""
        return self._read.queues((yield from self._ask(HttpRequest("GET", "/v1/queues"))))

    @blocking
    def close(self) -> None:
        """Close the connections over which artifacts have read their bytes."""
        self._files.close()

    def _ask_while_waiting(self, call: HttpRequest, waiting: PollingWait) -> Flow[HttpResponse]:
        """Return the response. If the gateway has responded to this wait before, allow it to restart."""
        lost_at: float | None = None
        while True:
            try:
                return (yield from self._ask(call))
            except ServiceUnreachable:
                lost_at = lost_at or time.monotonic()
                if not waiting.has_begun or time.monotonic() - lost_at > LONGEST_ABSENCE_S:
                    raise
            yield Pause(waiting.pause_s(SHORTEST_POLL_S, LONGEST_SILENT_POLL_S))

    def _with_pictures(self, ready: Sequence[dict[str, Any]]) -> Flow[None]:
        """Replace the bytes of pictures by data URLs, or by names of uploaded files if they are large."""
        given = [(each, place, data) for each in ready for place, data in _picture_bytes(each).items()]
        is_inline = sum(len(data) for _, _, data in given) <= MAX_INLINE_BYTES
        names: dict[tuple[bytes, bool], str] = {}
        for request, place, data in given:
            first_frame = request.get("first_frame") is True
            if not is_inline and (data, first_frame) not in names:
                names[data, first_frame] = (yield from self._uploaded(data, place, first_frame)).sha256
            sent = data_url(data) if is_inline else names[data, first_frame]
            request.update(with_values(request, {place: sent}))

    def _with_datasets(self, ready: Sequence[dict[str, Any]]) -> Flow[None]:
        """Upload each data set once, and replace it by the name of the stored file."""
        names: dict[object, str] = {}
        for request, name in ((each, name) for each in ready for name in DATASETS if name in each):
            given = request[name]
            key = given if isinstance(given, str | bytes) else id(given)
            if key not in names:
                names[key] = yield from self._dataset_named(given, name)
            request[name] = names[key]

    def _uploaded(self, data: bytes, field: str, first_frame: bool) -> Flow[Artifact]:
        query = {"first_frame": "true"} if first_frame else {}
        try:
            answer = yield from self._ask(HttpRequest("POST", "/v1/files", query=query, files={"file": data}))
        except InvalidImage as error:
            error.field = field
            raise
        return self._read.artifact(answer)

    def _dataset_uploaded(self, given: object, field: str) -> Flow[Artifact]:
        archive: GivenArchive = yield Work(lambda: read_archive(given, field))
        try:
            headers = {"Content-Type": archive.media_type}
            call = HttpRequest(
                "POST", "/v1/files", headers=headers, content=archive.file, held_s=LONGEST_STORING_S
            )
            return self._read.artifact((yield from self._ask(call)))
        finally:
            archive.close()

    def _dataset_named(self, given: object, field: str) -> Flow[str]:
        if isinstance(given, Artifact):
            return given.sha256
        if isinstance(given, str) and is_sha256(given):
            return given
        return (yield from self._dataset_uploaded(given, field)).sha256


class GatewayFiles:
    """Reads the bytes of artifacts. All artifacts of one transport share it, so that equal jobs are equal.

    `Artifact.bytes` blocks, also for an asyncio client, so this class has a runner of its own.

    Args:
        transport: The transport whose artifacts read from here.
        connection: How to reach the gateway.
    """

    def __init__(self, transport: GatewayTransport, connection: Connection) -> None:
        self._transport = transport
        self._runner = SyncRunner(connection)

    def get(self, sha256: str) -> bytes:
        """Download a stored file.

        Raises:
            ArtifactMissing: There is no file of this name.
        """
        return self._runner.run(self._transport.artifact_bytes(sha256))

    def close(self) -> None:
        """Close the HTTP connections."""
        self._runner.close()


def _submission(request: dict[str, Any]) -> HttpRequest:
    files = _picture_bytes(request)
    if not files:
        return HttpRequest("POST", "/v1/jobs", headers=JSON, content=encoded(request))
    listed = {place: NO_FILE_YET for place in files if "." in place}
    others = {name: value for name, value in with_values(request, listed).items() if name not in files}
    fields = {"request": encoded(others).decode()}
    return HttpRequest("POST", "/v1/jobs", files=files, fields=fields)


def _picture_bytes(request: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the pictures of a packed request that are bytes, by place."""
    return {place: each for place, each in values_at(request, PICTURES).items() if isinstance(each, bytes)}


def _job_path(job_id: str) -> str:
    return f"/v1/jobs/{job_segment(job_id)}"


def _query(wanted: JobFilter) -> dict[str, str]:
    query = {}
    for name in ("kind", "state", "model", "tenant", "group", "text", "created_after", "created_before"):
        value = getattr(wanted, name)
        if isinstance(value, datetime):
            query[name] = value.astimezone(UTC).isoformat()
        elif isinstance(value, str):
            query[name] = str(value)
        elif value is not None:
            raise InvalidRequest(
                said("{field}: must be a string, not a {type}.", field=name, type=type(value).__name__),
                field=name,
            )
    return query
