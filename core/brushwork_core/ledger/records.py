"""What goes into the ledger and what comes out of it, besides jobs as callers see them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import JobError
from brushwork_schemas.options import Priority

WORKER_LOST = JobError(
    code="worker_lost",
    message="Every worker that ran this job alone was lost while it ran.",
    fault="machine",
    hint="Look at the workers' logs at the time of its attempts; the job may be what kills them.",
)
STALLED = JobError(
    code="stalled",
    message="The job stopped moving, and its worker let go of it.",
    fault="machine",
    hint="Look at the worker's log: it holds where every thread stood. BRUSHWORK_STALL_S sets the bound.",
)


@dataclass(frozen=True)
class NewJob:
    """A job about to be written: a complete request, or a refused one with its error.

    Args:
        deadline_s: From now until it is to have ended; None is never.
        idempotency_key: Of its tenant; a second job of the same key is not written.
        request_sha256: Of what the caller said; a key stands for one of them.
        webhook_events: What `webhook_url` is told; None is every end.
        retry_of: The job whose request it repeats.
    """

    id: str
    kind: str
    model: str
    label: str
    request: dict[str, Any]
    max_attempts: int = 3
    inputs: tuple[Artifact, ...] = ()
    tenant: str = ""
    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    idempotency_key: str | None = None
    request_sha256: str | None = None
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] | None = None
    group: str | None = None
    retry_of: str | None = None
    retention_s: float | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Submitted:
    """What a submit wrote, by id: `new` jobs, and of them those that count as `sent`."""

    new: frozenset[str]
    sent: frozenset[str]


@dataclass(frozen=True)
class Claim:
    """A worker's right to one attempt.

    Args:
        alone: Its worker is to run nothing beside it: it was there when a worker died, or had too little
            memory.
        deadline_ms: Milliseconds left until its deadline.
        traceparent: Of the call that brought the job.
    """

    job_id: str
    kind: str
    model: str
    request: dict[str, Any]
    fence: int
    attempt: int
    queued_s: float
    max_attempts: int = 3
    alone: bool = False
    deadline_ms: int | None = None
    traceparent: str | None = None


@dataclass(frozen=True)
class Dispatch:
    """What a message to the queue needs to know of a job.

    Args:
        again: A worker had it already, or its message was lost: it goes before all that were never sent.
    """

    job_id: str
    kind: str
    label: str
    priority: Priority = Priority.NORMAL
    tenant: str = ""
    traceparent: str | None = None
    again: bool = False

    @classmethod
    def of(cls, job: NewJob) -> "Dispatch":
        """Of a job that was just written."""
        return cls(job.id, job.kind, job.label, job.priority, job.tenant, job.traceparent)


@dataclass(frozen=True)
class Reaped:
    """What a reap did with the jobs whose worker was lost, by id.

    `queued` run again, and of them `suspects` alone; the others ended.
    """

    queued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    canceled: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()


class WriteOutcome(Enum):
    """What became of a fenced write. Compare it with `is`: it has no truth value."""

    APPLIED = "applied"
    """The database holds what was written."""
    LEASE_LOST = "lease lost"
    """The fence is out of date: another attempt has the job, or the job has ended. Nothing was changed."""

    @classmethod
    def of(cls, changed: bool) -> "WriteOutcome":
        """Return the outcome of a statement, by whether it changed a row."""
        return cls.APPLIED if changed else cls.LEASE_LOST

    def __bool__(self) -> bool:
        raise TypeError("A WriteOutcome has no truth value. Use `is WriteOutcome.APPLIED`.")


class Signal(Enum):
    """What a running job is told."""

    GO_ON = "go on"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LOST = "lost"
