"""Held results: a job has succeeded, and nobody but a reviewer may read its result."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brushwork_schemas.errors import JobNotFound, PolicyRefused
from brushwork_schemas.job import Job, JobError, checked_id
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from brushwork_core.audit.actor import current_actor
from brushwork_core.audit.audit_log import AuditAction, Record, record
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.file_records import remove_records
from brushwork_core.database.outbox_tables import CELERY_TASKS
from brushwork_core.database.picture_prints import PICTURE_PRINTS
from brushwork_core.database.review_table import (
    HELD_ROLE,
    REFUSED,
    RELEASED,
    REVIEWS,
    is_held,
    is_told_later,
)
from brushwork_core.database.tables import JOB_ARTIFACTS, JOBS, RESULTS
from brushwork_core.ledger.job_row import job_of
from brushwork_core.ledger.transitions import note_ends
from brushwork_core.policies.decision import worded
from brushwork_core.timing.timestamps import moment_of

MOST_LISTED = 500


@dataclass(frozen=True)
class HeldResult:
    """A result that waits for a reviewer.

    Args:
        job: The job with its result, as its caller sees it once the result is released.
        policy: Name of the policy that holds it.
        reason: What the caller reads meanwhile.
        since: When it was held.
    """

    job: Job
    policy: str
    reason: str
    since: datetime


class HeldResults:
    """Lists held results, and ends their reviews. Safe to use from any thread.

    Args:
        database: Database of the ledger.
        discard: Removes files that nothing refers to any more.
    """

    def __init__(
        self, database: Database, discard: Callable[[Iterable[str]], None] = lambda names: None
    ) -> None:
        self._database = database
        self._discard = discard

    def list(self, limit: int = 50) -> list[HeldResult]:
        """Return held results, the one that waits longest first."""
        oldest = _HELD.order_by(REVIEWS.c.created_at, REVIEWS.c.job_id).limit(min(limit, MOST_LISTED))
        with self._database.reading() as connection:
            return [_held(row) for row in connection.execute(oldest).mappings()]

    def number(self) -> int:
        """Return the number of held results."""
        with self._database.reading() as connection:
            counted = select(func.count()).select_from(REVIEWS).where(is_held())
            return int(connection.execute(counted).scalar_one())

    def get(self, job_id: str) -> HeldResult:
        """Return a held result.

        Raises:
            JobNotFound: No job of this id has a held result.
        """
        with self._database.reading() as connection:
            row = connection.execute(_HELD.where(_of(job_id))).mappings().one_or_none()
        if row is None:
            raise _not_held(job_id)
        return _held(row)

    def release(self, job_id: str) -> None:
        """Serve the result to its caller. Webhooks and Celery programs are told of the end now.

        Raises:
            JobNotFound: No job of this id has a held result.
        """
        # Known here: another thread may run the write.
        actor = current_actor()

        def write(connection: Connection) -> None:
            found = self._locked(connection, job_id)
            values = {"job_id": job_id, "fence": found.fence, "result": found.result}
            connection.execute(insert(RESULTS), values)
            connection.execute(update(JOB_ARTIFACTS).where(*_files_of(job_id)).values(role="output"))
            _end(connection, job_id, RELEASED)
            kept = Record(
                AuditAction.RESULT_RELEASED, (job_id,), found.tenant, detail={"policy": found.policy}
            )
            record(connection, kept, actor=actor)

        self._database.write(write)

    def refuse(self, job_id: str, reason: str) -> None:
        """End the job as failed, with the code `policy_refused`, and remove the result and its files.

        Args:
            job_id: Id of the job.
            reason: What the caller reads; empty for the reason of the policy.

        Raises:
            JobNotFound: No job of this id has a held result.
        """
        actor = current_actor()

        def write(connection: Connection) -> list[str]:
            found = self._locked(connection, job_id)
            error = JobError.of(_refused(worded(reason) or found.reason))
            failed = {"state": JobState.FAILED, "error": error.model_dump()}
            connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(**failed))
            linked = delete(JOB_ARTIFACTS).where(*_files_of(job_id)).returning(JOB_ARTIFACTS.c.sha256)
            names = connection.execute(linked).scalars().all()
            connection.execute(delete(PICTURE_PRINTS).where(PICTURE_PRINTS.c.job_id == job_id))
            _end(connection, job_id, REFUSED)
            kept = Record(
                AuditAction.RESULT_REFUSED, (job_id,), found.tenant, detail={"policy": found.policy}
            )
            record(connection, kept, actor=actor)
            return remove_records(connection, names)

        self._discard(self._database.write(write))

    @staticmethod
    def _locked(connection: Connection, job_id: str) -> Any:
        # The job is locked first, as everywhere.
        job = select(JOBS.c.id).where(JOBS.c.id == checked_id(job_id)).with_for_update()
        connection.execute(job)
        columns = (REVIEWS.c.fence, REVIEWS.c.result, REVIEWS.c.policy, REVIEWS.c.reason, JOBS.c.tenant)
        found = select(*columns).join(JOBS, JOBS.c.id == REVIEWS.c.job_id).where(_of(job_id), is_held())
        row = connection.execute(found).one_or_none()
        if row is None:
            raise _not_held(job_id)
        return row


def _end(connection: Connection, job_id: str, state: str) -> None:
    ended = update(REVIEWS).where(_of(job_id))
    connection.execute(ended.values(state=state, result=None, ended_at=now_ms()))
    told = update(CELERY_TASKS).where(CELERY_TASKS.c.job_id == job_id, is_told_later())
    connection.execute(told.values(next_try_at=now_ms()))
    note_ends(connection, [job_id])


def _of(job_id: str) -> ColumnElement[bool]:
    return REVIEWS.c.job_id == checked_id(job_id)


def _files_of(job_id: str) -> tuple[ColumnElement[bool], ...]:
    return JOB_ARTIFACTS.c.job_id == job_id, JOB_ARTIFACTS.c.role == HELD_ROLE


_HELD = (
    select(
        JOBS,
        REVIEWS.c.result,
        REVIEWS.c.policy.label("held_by"),
        REVIEWS.c.reason.label("held_because"),
        REVIEWS.c.created_at.label("held_since"),
    )
    .join(REVIEWS, REVIEWS.c.job_id == JOBS.c.id)
    .where(is_held())
)


def _held(row: Any) -> HeldResult:
    since = moment_of(row["held_since"])
    return HeldResult(job_of(row), row["held_by"], row["held_because"], since)


def _not_held(job_id: str) -> JobNotFound:
    return JobNotFound(
        said("No job {job_id!r} has a result that waits for a review.", job_id=job_id[:80]), field="id"
    )


def _refused(reason: str) -> PolicyRefused:
    return PolicyRefused(
        said("Refused by a reviewer: {reason}", reason=reason),
        hint=said("Change the request, or ask the operator of this service."),
    )
