"""A job as its caller sees it: one row of the ledger, with its result if it has one."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brushwork_schemas.errors import BrushworkError, Fault, JobFailed, JobNotFound
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState

LONGEST_ID = 64


def checked_id(job_id: str) -> str:
    """`job_id`, if a job can have it; the databases would each raise something else where none can.

    Raises:
        JobNotFound: No job can.
    """
    if (
        isinstance(job_id, str)
        and 0 < len(job_id) <= LONGEST_ID
        and job_id.isascii()
        and job_id.isprintable()
    ):
        return job_id
    raise JobNotFound(f"There is no job {ascii(job_id)[:80]}.", field="id")


class Progress(BaseModel):
    """How far a running job is: `step` of `total` denoising steps; 0 of 0 where a kind has no steps."""

    model_config = ConfigDict(frozen=True)

    step: int = 0
    total: int = 0

    @property
    def fraction(self) -> float:
        """Share done, 0 to 1."""
        return self.step / self.total if self.total else 0.0


class JobError(BaseModel):
    """Why a job failed: a stable code, whose fault it was, and what to do."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    fault: Fault
    field: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: BrushworkError) -> "JobError":
        """The stored form of a raised error."""
        return cls(
            code=error.code,
            message=error.message,
            fault=error.fault,
            field=error.field,
            hint=error.hint,
        )


class Job(BaseModel):
    """A job at the moment it was read; ask the client again for a newer one."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    model: str
    label: str = Field(description="Short and free of private words: model, size, steps. Flower shows it.")
    state: JobState
    # Which `Request` and `Result` these are depends on the kind: a type checker can't know, the caller does.
    request: Any = Field(description="The complete request; the caller's own words where it was refused.")
    result: Any = Field(None, description="The kind's result once the job has succeeded, else None.")
    error: JobError | None = None
    last_error: JobError | None = Field(None, description="Why the attempt before failed or was lost.")
    retry_at: datetime | None = Field(
        None, description="When it may run again, after an attempt that failed."
    )
    priority: Priority = Priority.NORMAL
    tenant: str = ""
    deadline_at: datetime | None = Field(None, description="If it has not ended by then, it ends as expired.")
    idempotency_key: str | None = None
    group: str | None = Field(None, description="The caller's own name for jobs that belong together.")
    retry_of: str | None = Field(None, description="The job whose request this one repeats.")
    traceparent: str | None = Field(None, description="W3C Trace Context of the call that brought it.")
    progress: Progress = Progress()
    curve: tuple[Epoch, ...] = Field(
        (), description="Of a training: its epochs so far, also while it runs. Lists leave it out."
    )
    cancel_requested: bool = False
    attempt: int = Field(0, description="Runs so far, the current one included.")
    max_attempts: int = 3
    worker: str | None = None
    created_at: datetime
    started_at: datetime | None = Field(None, description="Start of the latest attempt.")
    finished_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the job is in a terminal state."""
        return self.state.is_terminal

    def raise_for_state(self) -> "Job":
        """This job, if it succeeded.

        Raises:
            JobFailed: It ended without a result.
        """
        if self.error is not None:
            raise JobFailed(
                f"Job {self.id} failed ({self.error.code}): {self.error.message}",
                hint=self.error.hint,
            )
        if self.state in (JobState.CANCELED, JobState.EXPIRED):
            raise JobFailed(f"Job {self.id} was {self.state} and has no result.")
        return self
