"""Values that the ledger takes and returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from brushwork_schemas.admission import Admitted
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import Job, JobError, Progress
from brushwork_schemas.options import JobOptions, Priority

from brushwork_core.database.picture_prints import PicturePrint
from brushwork_core.ledger.job_row import job_of

WORKER_LOST = JobError(
    code="worker_lost",
    message="Every worker that ran this job alone died while it ran.",
    fault="machine",
    hint="Read the logs of the workers at the time of the attempts. The job may be the cause.",
)
STALLED = JobError(
    code="stalled",
    message="The job made no progress within the stall limit.",
    fault="machine",
    hint="The worker's log shows where each thread was blocked. BRUSHWORK_STALL_S sets the limit.",
)


# Options that say how files are read. The job itself does without them.
_OF_READING = {"first_frame"}


@dataclass(frozen=True)
class CeleryMessage:
    """What the ledger keeps of the bare Celery message that a job came as.

    Args:
        task_id: Celery's id of the message.
        relations: Callbacks, chain and relatives of the message as JSON.
        chained: Ids of the tasks that never run if the job does not succeed.
    """

    task_id: str
    relations: Mapping[str, Any] = field(default_factory=dict)
    chained: tuple[str, ...] = ()


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
        not_before_ms: Time before which no worker may claim the job, in milliseconds since 1970.
        celery: The bare Celery message that the job came as; None for a job of a client.
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
    not_before_ms: int | None = None
    celery: CeleryMessage | None = None

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
            **{name: getattr(options, name) for name in JobOptions.model_fields if name not in _OF_READING},
        )


@dataclass(frozen=True)
class Submitted:
    """What a submit wrote.

    Args:
        rows: Rows of the new jobs, by id.
    """

    rows: Mapping[str, Mapping[str, Any]]

    @property
    def new(self) -> frozenset[str]:
        """Ids of the new jobs."""
        return frozenset(self.rows)

    def job(self, job_id: str) -> Job:
        """Return a new job as its caller sees it."""
        return job_of(self.rows[job_id])


@dataclass(frozen=True)
class Claim:
    """A claimed job: the right of a worker to one attempt.

    Args:
        job_id: Id of the job.
        kind: Name of its kind.
        model: Name of its model.
        request: The request as JSON.
        fence: Fence of this claim.
        attempt: Number of this attempt, from 1.
        queued_s: Seconds that the job waited since it was last queued.
        max_attempts: Attempts before the job fails.
        alone: Whether the worker must run no other job beside it: the job ran in a worker that died, or had
            too little memory.
        deadline_ms: Milliseconds until the deadline; None for no deadline.
        traceparent: W3C Trace Context of the call that submitted the job.
        priority: Priority of the job. Its model calls run before those of less urgent jobs.
        task_id: Celery's id of the bare message that the job came as; None for a job of a client.
        label: Model and cost in a few words, without private text.
        tenant: Tenant of the job.
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
    priority: Priority = Priority.NORMAL
    task_id: str | None = None
    label: str = ""
    tenant: str = ""


def claim_of(row: Any) -> Claim:
    """Return the claim of a row that a claiming statement returned."""
    return Claim(
        queued_s=row.queued_ms / 1000,
        alone=row.suspicion is not None,
        priority=Priority(row.priority),
        **{name: getattr(row, name) for name in _OF_CLAIM},
    )


_OF_CLAIM = (
    *("job_id", "kind", "model", "request", "fence", "attempt", "max_attempts", "deadline_ms"),
    *("traceparent", "task_id", "label", "tenant"),
)


@dataclass(frozen=True)
class HoldReason:
    """Why a result is held.

    Args:
        policy: Name of the policy.
        reason: What the caller reads.
    """

    policy: str
    reason: str


@dataclass(frozen=True)
class Completion:
    """The end of an attempt that succeeded.

    Args:
        job_id: Id of the job.
        fence: Fence of the claim.
        result: Result as JSON.
        outputs: Files of the result, already stored.
        progress: Last progress. All its steps count as done.
        prints: What the pictures of the result look like.
        hold: Why nobody may read the result before a review; None if it is served at once.
    """

    job_id: str
    fence: int
    result: dict[str, Any]
    outputs: tuple[Artifact, ...] = ()
    progress: Progress | None = None
    prints: tuple[PicturePrint, ...] = ()
    hold: HoldReason | None = None


@dataclass(frozen=True)
class WakeUp:
    """What the message of a job says. It makes one worker look for jobs, not only for this one.

    Args:
        job_id: Id of the job.
        kind: Name of its kind.
        label: Model and cost in a few words, without private text.
        priority: Priority of the job.
        traceparent: W3C Trace Context of the call that submitted the job.
    """

    job_id: str
    kind: str
    label: str
    priority: Priority = Priority.NORMAL
    traceparent: str | None = None

    @classmethod
    def of(cls, job: NewJob) -> "WakeUp":
        """Return the message of a job that was just written."""
        return cls(job.id, job.kind, job.label, job.priority, job.traceparent)


@dataclass(frozen=True)
class Reaped:
    """What a reap did with jobs of lost workers.

    Args:
        queued: Ids of jobs that run again.
        failed: Ids of jobs that failed.
        canceled: Ids of jobs that were canceled.
        expired: Ids of jobs that expired.
        suspects: Ids of queued jobs that run alone.
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
    """What the ledger tells a running job."""

    GO_ON = "go on"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LOST = "lost"
