"""The job as callers see it."""

from datetime import datetime
from typing import Any, Generic, cast

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeVar

from brushwork_schemas.errors import BrushworkError, Fault, JobFailed, JobNotEnded, JobNotFound
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState

LONGEST_ID = 64
# `Job` without a parameter is `Job[Any]`, so that programs that name no result type stay correct.
ResultT = TypeVar("ResultT", default=Any, covariant=True)
# The result of a job that is given as such or by its id, which says nothing about the result.
ResultOfAnyT = TypeVar("ResultOfAnyT", default=Any)
_SucceededT = TypeVar("_SucceededT")


def checked_id(job_id: str) -> str:
    """Return `job_id` if it is a valid id. The databases raise different errors for invalid ones.

    Raises:
        JobNotFound: No job can have this id.
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
    """Progress of a running job: `step` of `total` steps; 0 of 0 for a kind without steps."""

    model_config = ConfigDict(frozen=True)

    step: int = 0
    total: int = 0

    @property
    def fraction(self) -> float:
        """Progress as a number from 0 to 1."""
        return self.step / self.total if self.total else 0.0


class JobError(BaseModel):
    """The error of a job: a stable code, a message, whose fault it is, and how to fix it."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    fault: Fault
    field: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: BrushworkError) -> "JobError":
        """Return the stored form of a raised error."""
        return cls(
            code=error.code,
            message=error.message,
            fault=error.fault,
            field=error.field,
            hint=error.hint,
        )


class Job(BaseModel, Generic[ResultT]):
    """A job at the moment when it was read. Read it again for its current state.

    For type checkers, `Job[TextToImageResult | None]` is a job that may not have succeeded, and
    `Job[TextToImageResult]` is one that has: `raise_for_state` makes the second from the first.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    model: str
    label: str = Field(description="Model and cost in a few words, without private text. Flower shows it.")
    state: JobState
    request: Any = Field(description="The complete request. For a refused job, the parameters of the caller.")
    # At runtime, `Job` is never parametrized: `typed_result` reads the result as the type of its kind.
    result: ResultT = Field(
        cast("ResultT", None), description="The result of the kind, once the job has succeeded."
    )
    error: JobError | None = None
    last_error: JobError | None = Field(None, description="Error of the previous attempt.")
    retry_at: datetime | None = Field(
        None, description="Earliest start of the next attempt, after a failed one."
    )
    priority: Priority = Priority.NORMAL
    tenant: str = ""
    deadline_at: datetime | None = Field(None, description="When the job expires if it has not ended.")
    idempotency_key: str | None = None
    group: str | None = Field(None, description="Name of the caller for jobs that belong together.")
    retry_of: str | None = Field(None, description="Id of the job whose request this job repeats.")
    traceparent: str | None = Field(None, description="W3C Trace Context of the call that submitted the job.")
    progress: Progress = Progress()
    curve: tuple[Epoch, ...] = Field(
        (), description="For a training job: its epochs so far, also while it runs. Not part of lists."
    )
    cancel_requested: bool = False
    attempt: int = Field(0, description="Number of attempts, including the current one.")
    max_attempts: int = 3
    worker: str | None = None
    created_at: datetime
    started_at: datetime | None = Field(None, description="Start of the latest attempt.")
    finished_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the job is in a terminal state."""
        return self.state.is_terminal

    def raise_for_state(self: "Job[_SucceededT | None]") -> "Job[_SucceededT]":
        """Return this job if it succeeded. Its result is not None then.

        Raises:
            JobFailed: The job ended without a result.
            JobNotEnded: The job has not ended, so it has no result yet.
        """
        if self.error is not None:
            raise JobFailed(
                f"Job {self.id} failed ({self.error.code}): {self.error.message}",
                hint=self.error.hint,
                job_id=self.id,
            )
        if self.state in (JobState.CANCELED, JobState.EXPIRED):
            raise JobFailed(f"Job {self.id} was {self.state} and has no result.", job_id=self.id)
        if not self.is_finished:
            raise JobNotEnded(
                f"Job {self.id} was {self.state} when it was read, so it has no result yet.",
                hint="Wait for it first: client.wait(job).raise_for_state()",
            )
        return cast("Job[_SucceededT]", self)


def id_of(job: "Job[Any] | str") -> str:
    """Return the id of a job that is given as such or by its id."""
    return job.id if isinstance(job, Job) else job
