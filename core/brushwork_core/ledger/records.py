"""What goes into the ledger and what comes out of it, besides jobs as callers see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from brushwork_schemas.admission import Admitted
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.options import JobOptions, Priority

from brushwork_core.ledger.job_row import job_of

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
    """A job to be written to the ledger, either complete or refused.

    Args:
        id: Id of the job.
        kind: Name of its kind.
        model: Name of its model.
        label: Model and cost in a few words, without private text.
        request: The request as JSON.
        max_attempts: Attempts before the job fails, at least 1.
        inputs: Files of the request, already stored.
        tenant: Tenant of the job.
        priority: Priority among the jobs of its tenant and kind.
        deadline_s: Seconds from now after which the job expires; None for no deadline.
        idempotency_key: Key of the caller. The ledger writes one job per tenant and key.
        request_sha256: Hash of the caller's parameters. A key can only be repeated with the same hash.
        webhook_url: Address that receives the events of the job.
        webhook_events: Events that `webhook_url` receives; None for the end of the job, whatever it is.
        group: Name of the caller for jobs that belong together.
        retry_of: Id of the job whose request this job repeats.
        retention_s: Seconds after its end for which the job is kept at most.
        traceparent: W3C Trace Context of the call that submitted the job.
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

    @classmethod
    def of(
        cls,
        job_id: str,
        admitted: Admitted,
        options: JobOptions,
        *,
        inputs: Sequence[Artifact] = (),
        max_attempts: int = 3,
        request_sha256: str | None = None,
        retry_of: str | None = None,
    ) -> "NewJob":
        """Build the job of an admitted request.

        Args:
            job_id: Id of the job.
            admitted: The request, with its kind and model.
            options: Options of the caller.
            inputs: Files of the request, already stored.
            max_attempts: Attempts before the job fails, at least 1.
            request_sha256: Hash of the caller's parameters, where `options` has an idempotency key.
            retry_of: Id of the job whose request this job repeats.
        """
        return cls(
            id=job_id,
            kind=admitted.kind.name,
            model=admitted.model.name,
            label=admitted.label,
            request=admitted.request.model_dump(mode="json"),
            max_attempts=max_attempts,
            inputs=tuple(inputs),
            request_sha256=request_sha256,
            retry_of=retry_of,
            # Not `model_dump`, which would turn the priority into a string.
            **{name: getattr(options, name) for name in JobOptions.model_fields},
        )


@dataclass(frozen=True)
class Submitted:
    """What a submit wrote.

    Args:
        rows: Rows of the new jobs, by id.
        sent: Ids of new jobs whose messages are to be sent now. They count as dispatched.
    """

    rows: Mapping[str, Mapping[str, Any]]
    sent: frozenset[str]

    @property
    def new(self) -> frozenset[str]:
        """Ids of the new jobs."""
        return frozenset(self.rows)

    def job(self, job_id: str) -> Job:
        """Return a new job as its caller sees it."""
        return job_of(self.rows[job_id])


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
