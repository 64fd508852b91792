"""Conversion of a row of the ledger to the `Job` that callers see."""

from collections.abc import Mapping
from typing import Any

from brushwork_schemas.job import Job, JobError, Progress, Review
from brushwork_schemas.kinds.image_classification_training import Epoch
from brushwork_schemas.kinds.registry import typed_request, typed_result
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from pydantic import ValidationError

from brushwork_core.timing.timestamps import moment_of


def job_of(row: Mapping[Any, Any], summary: object = None, review: Review | None = None) -> Job:
    """Return the job of a row.

    Args:
        row: All columns of `JOBS`, by name, and `result` where the job has one.
        summary: Summary of the job's checkpoint. That of a training is the list of its epochs.
        review: The review that the result waits for.
    """
    return Job(
        id=row["id"],
        kind=row["kind"],
        model=row["model"],
        label=row["label"],
        state=JobState(row["state"]),
        request=typed_request(row["kind"], row["request"]),
        result=typed_result(row["kind"], row.get("result")),
        review=review,
        error=JobError(**row["error"]) if row["error"] else None,
        last_error=JobError(**row["last_error"]) if row["last_error"] else None,
        retry_at=moment_of(row["not_before"]),
        priority=Priority(row["priority"]),
        tenant=row["tenant"],
        deadline_at=moment_of(row["deadline_at"]),
        idempotency_key=row["idempotency_key"],
        group=row["job_group"],
        retry_of=row["retry_of"],
        traceparent=row["traceparent"],
        task_id=row["task_id"],
        progress=Progress(step=row["progress_step"], total=row["progress_total"]),
        curve=_epochs(summary),
        cancel_requested=row["cancel_requested"],
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        worker=row["worker"],
        created_at=moment_of(row["created_at"]),
        started_at=moment_of(row["started_at"]),
        finished_at=moment_of(row["finished_at"]),
    )


def _epochs(summary: object) -> tuple[Epoch, ...]:
    """The curve of a training; empty for a summary of another form, which a plug-in may save."""
    if not isinstance(summary, list):
        return ()
    try:
        return tuple(Epoch.model_validate(epoch) for epoch in summary)
    except ValidationError:
        return ()
