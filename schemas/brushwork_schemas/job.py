"""The job as callers see it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeVar

from brushwork_schemas.errors import (
    BrushworkError,
    Fault,
    JobFailed,
    JobNotEnded,
    JobNotFound,
    RequestError,
    ResultHeld,
)
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from brushwork_schemas.warnings import ResultWarning
from brushwork_schemas.wording.disclosure import for_reader
from brushwork_schemas.wording.field_error import FieldError
from brushwork_schemas.wording.phrase import parameters_of, restored, said, template_of
from brushwork_schemas.wording.translation import translated

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
    raise JobNotFound(said("There is no job {job_id}.", job_id=ascii(job_id)[:80]), field="id")


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
    template: str | None = Field(
        None, description="The message in English, with names in braces in place of the parameters."
    )
    parameters: dict[str, Any] = Field({}, description="The parameters of the message, by name.")
    hint_template: str | None = Field(None, description="The hint in English, likewise.")
    hint_parameters: dict[str, Any] = Field({}, description="The parameters of the hint, by name.")
    errors: tuple[FieldError, ...] = Field(
        (), description="For a refused request, everything that is wrong with it; the first is this error."
    )

    @classmethod
    def of(cls, error: BrushworkError) -> "JobError":
        """Return the stored form of a raised error."""
        return cls(
            code=error.code,
            message=str(error.message),
            fault=error.fault,
            field=error.field,
            hint=None if error.hint is None else str(error.hint),
            template=template_of(error.message),
            parameters=parameters_of(error.message),
            hint_template=template_of(error.hint),
            hint_parameters=parameters_of(error.hint),
            errors=error.errors if isinstance(error, RequestError) and error.field else (),
        )

    def for_reader(self) -> "JobError":
        """Return the error as the reader of this request may read it.

        An operator reads all of it. Callers read no address, no path and no text of another program.
        """
        is_own = self.fault == "caller"
        message = for_reader(restored(self.message, self.template, self.parameters), is_own=is_own)
        hint = self.hint and restored(self.hint, self.hint_template, self.hint_parameters)
        advice = hint and for_reader(hint, is_own=is_own)
        return self.model_copy(
            update={
                "message": str(message),
                "parameters": parameters_of(message),
                "hint": advice and str(advice),
                "hint_parameters": parameters_of(advice),
                "errors": tuple(each.for_reader(is_own=is_own) for each in self.errors),
            }
        )

    def in_language(self, language: str, labels: Mapping[str, str] | None = None) -> "JobError":
        """Return the error with its texts in a language.

        Args:
            language: `en` or `zh`.
            labels: If given, labels that take the place of the names of fields.
        """
        message = restored(self.message, self.template, self.parameters)
        hint = self.hint and restored(self.hint, self.hint_template, self.hint_parameters)
        return self.model_copy(
            update={
                "message": translated(message, language, labels),
                "hint": None if hint is None else translated(hint, language, labels),
                "errors": tuple(each.in_language(language, labels) for each in self.errors),
            }
        )


class Review(BaseModel):
    """Why the result of a job that has succeeded is not served: it waits for a reviewer."""

    model_config = ConfigDict(frozen=True)

    state: Literal["held"] = "held"
    policy: str = Field(description="Name of the policy that holds the result.")
    reason: str = Field(description="Why, in the words of the operator.")
    since: datetime = Field(description="When the job ended and its result was held.")


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
    review: Review | None = Field(
        None, description="Set while the result of a succeeded job is held for review. `result` is null then."
    )
    error: JobError | None = None
    last_error: JobError | None = Field(None, description="Error of the previous attempt.")
    retry_at: datetime | None = Field(
        None, description="Earliest start of the next attempt: after a failed one, or a Celery message's eta."
    )
    priority: Priority = Priority.NORMAL
    tenant: str = ""
    deadline_at: datetime | None = Field(None, description="When the job expires if it has not ended.")
    idempotency_key: str | None = None
    group: str | None = Field(None, description="Name of the caller for jobs that belong together.")
    retry_of: str | None = Field(None, description="Id of the job whose request this job repeats.")
    traceparent: str | None = Field(None, description="W3C Trace Context of the call that submitted the job.")
    task_id: str | None = Field(
        None, description="Celery's id of the message that the job came as; null for a job of a client."
    )
    warnings: tuple[ResultWarning, ...] = Field(
        (),
        description="In the answer to a submit: what may keep the job from running, such as "
        "`model_on_no_worker`. Warnings about what was done are part of the result.",
    )
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

    def __eq__(self, other: object) -> bool:
        """Return whether both are the same job at the same moment. Warnings of a submit are not stored."""
        if isinstance(other, Job) and self.warnings != other.warnings:
            other = other.model_copy(update={"warnings": self.warnings})
        return super().__eq__(other)

    def __hash__(self) -> int:
        """Return the hash of the id."""
        return hash(self.id)

    @property
    def is_finished(self) -> bool:
        """Whether the job is in a terminal state."""
        return self.state.is_terminal

    def raise_for_state(self: "Job[_SucceededT | None]") -> "Job[_SucceededT]":
        """Return this job if it succeeded. Its result is not None then.

        Raises:
            JobFailed: The job ended without a result.
            ResultHeld: The job has ended, and its result waits for a reviewer.
            JobNotEnded: The job has not ended, so it has no result yet.
        """
        if self.error is not None:
            raise JobFailed(
                said(
                    "Job {id} failed ({code}): {message}",
                    id=self.id,
                    code=self.error.code,
                    message=self.error.message,
                ),
                hint=self.error.hint,
                job_id=self.id,
            )
        if self.state in (JobState.CANCELED, JobState.EXPIRED):
            raise JobFailed(
                said("Job {id} was {state} and has no result.", id=self.id, state=self.state),
                job_id=self.id,
            )
        if self.review is not None:
            raise ResultHeld(
                said(
                    "The result of job {id} waits for a review: {reason}",
                    id=self.id,
                    reason=self.review.reason,
                ),
                hint=said("Read the job again later."),
                job_id=self.id,
            )
        if not self.is_finished:
            raise JobNotEnded(
                said(
                    "Job {id} was {state} when it was read, so it has no result yet.",
                    id=self.id,
                    state=self.state,
                ),
                hint="Wait for it first: client.wait(job).raise_for_state()",
            )
        return cast("Job[_SucceededT]", self)


def id_of(job: "Job[Any] | str") -> str:
    """Return the id of a job that is given as such or by its id."""
    return job.id if isinstance(job, Job) else job
