"""The body of a webhook: the state of a job, without text or pictures of its request."""

from datetime import datetime
from typing import Any

from brushwork_schemas.errors import Fault
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.kinds.result import Timings
from brushwork_schemas.states import JobState
from pydantic import BaseModel, ConfigDict


class EventError(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(frozen=True)

    code: str
    fault: Fault
    field: str | None = None
    message: str | None = None


class EventData(BaseModel):
    """The job of an event."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    model: str
    label: str
    tenant: str
    state: JobState
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    timings: Timings | None
    error: EventError | None


class Payload(BaseModel):
    """The body of a webhook, in the form of Standard Webhooks."""

    model_config = ConfigDict(frozen=True)

    type: str
    timestamp: datetime
    data: EventData


def payload_of_start(job: Job, began: datetime) -> Payload:
    """Return the body for the first start of a job. It is the same at every attempt."""
    first = {"state": JobState.RUNNING, "attempt": 1, "started_at": began, "finished_at": None}
    told = {name: getattr(job, name) for name in _TOLD} | first
    return Payload(type="job.started", timestamp=began, data=EventData(**told, timings=None, error=None))


def payload(job: Job) -> Payload:
    """Return the body for the end of a job. It is the same at every attempt."""
    return Payload(
        type=f"job.{job.state}",
        timestamp=job.finished_at or job.created_at,
        data=EventData(
            **{name: getattr(job, name) for name in _TOLD},
            timings=_timings(job.result),
            error=_error(job.error),
        ),
    )


_TOLD = (
    *("id", "kind", "model", "label", "tenant", "state", "attempt"),
    *("created_at", "started_at", "finished_at"),
)


def _timings(result: Any) -> Timings | None:
    # The result of a newer version is not typed.
    provenance = getattr(result, "provenance", None)
    return None if provenance is None else provenance.timings


def _error(error: JobError | None) -> EventError | None:
    if error is None:
        return None
    # The message of a refused request quotes it, possibly the prompt.
    message = None if error.fault == "caller" else error.for_reader().message
    return EventError(code=error.code, fault=error.fault, field=error.field, message=message)
