"""Signals between running jobs and their callers: progress and previews go out, requests to stop come in.

Nothing here changes the state of a job. Only the lease decides whether a job continues, and no transition
depends on previews. A preview is visible while its attempt runs, and is removed later.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from brushwork_schemas.errors import JobNotFound, ServiceUnreachable
from brushwork_schemas.job import Progress, checked_id
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import JOBS, PREVIEWS, in_state
from brushwork_core.database.upsert import upsert
from brushwork_core.database.write_queue import answered_within

# A caller that asked for a preview counts as watching for this time. A repeated request is written only at
# this interval, so that most requests are reads.
WATCHED_MS = 10_000
RENEWED_AFTER_MS = 2_500
ASK_LIMIT_S = 1.0
# An attempt: the id of its job, and the fence of the claim.
AttemptKey = tuple[str, int]


@dataclass(frozen=True)
class ProgressReport:
    """Progress of a running attempt.

    Args:
        job_id: Id of the job.
        fence: Fence of the claim.
        progress: Steps done.
        preview: The newest preview; None if it was reported already.
    """

    job_id: str
    fence: int
    progress: Progress
    preview: Preview | None = None


@dataclass(frozen=True)
class JobSignal:
    """What callers request from a running job.

    Args:
        stop: Whether the job is to stop.
        preview: Whether a caller watches its previews.
    """

    stop: bool
    preview: bool


class JobSignals:
    """Reads and writes the signals of all running jobs of a worker in one or two statements.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def report_progress(self, reports: Sequence[ProgressReport]) -> set[AttemptKey]:
        """Write progress and previews in one transaction.

        Returns:
            The attempts that were written. Attempts that have ended are left out, and so are jobs whose rows
            are locked at the moment; they can be reported again.
        """
        return self._database.write(lambda connection: _written(connection, reports)) if reports else set()

    def signals(self, worker: str) -> dict[AttemptKey, JobSignal]:
        """Return the signals of the running jobs of a worker.

        Returns:
            Only attempts with a signal.
        """
        watched = and_(PREVIEWS.c.job_id == JOBS.c.id, PREVIEWS.c.asked_at > now_ms() - WATCHED_MS)
        asked = (
            select(JOBS.c.id, JOBS.c.fence, JOBS.c.cancel_requested, _IS_WATCHED.label("preview"))
            .outerjoin(PREVIEWS, watched)
            .where(
                JOBS.c.worker == worker,
                in_state(JobState.RUNNING),
                or_(JOBS.c.cancel_requested, _IS_WATCHED),
            )
        )
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return {
            (row.id, row.fence): JobSignal(stop=row.cancel_requested, preview=row.preview) for row in rows
        }

    def preview(self, job_id: str) -> Preview | None:
        """Return the newest preview of a running job, and request further previews.

        Returns:
            None if the job is not running, or has no preview yet.

        Raises:
            JobNotFound: No job has this id.
        """
        renewed = PREVIEWS.c.asked_at > now_ms() - RENEWED_AFTER_MS
        seen = (
            select(JOBS.c.state, renewed.label("renewed"), PREVIEWS)
            .add_columns((PREVIEWS.c.fence == JOBS.c.fence).label("is_current"))
            .outerjoin(PREVIEWS, PREVIEWS.c.job_id == JOBS.c.id)
            .where(JOBS.c.id == checked_id(job_id))
        )
        with self._database.reading() as connection:
            row = connection.execute(seen).one_or_none()
        if row is None:
            raise JobNotFound(said("There is no job {job_id!r}.", job_id=job_id), field="id")
        if row.state != JobState.RUNNING:
            return None
        if not row.renewed:
            self._ask(job_id)
        return Preview(jpeg=row.jpeg, step=row.step, total=row.total) if row.is_current else None

    def sweep(self) -> None:
        """Remove the previews of jobs that are not running."""
        ended = (
            select(PREVIEWS.c.job_id)
            .join(JOBS, JOBS.c.id == PREVIEWS.c.job_id)
            .where(~in_state(JobState.RUNNING))
            .with_for_update(of=PREVIEWS, skip_locked=True)
        )
        with self._database.writing() as connection:
            connection.execute(delete(PREVIEWS).where(PREVIEWS.c.job_id.in_(ended)))

    def _ask(self, job_id: str) -> None:
        # The next request asks again. What is there can be shown meanwhile.
        with (
            suppress(ServiceUnreachable),
            answered_within(ASK_LIMIT_S),
            self._database.writing() as connection,
        ):
            upsert(connection, PREVIEWS, {"job_id": job_id}, {"asked_at": now_ms()})


_IS_WATCHED: ColumnElement[bool] = PREVIEWS.c.job_id.is_not(None)
_PROGRESS = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"))
    .values(progress_step=bindparam("step"), progress_total=bindparam("total"))
)
# An UPDATE, because a request has inserted the row. If the row is gone, no caller watches.
_PREVIEW = (
    update(PREVIEWS)
    .where(PREVIEWS.c.job_id == bindparam("job"))
    .values({name: bindparam(f"new_{name}") for name in ("fence", "jpeg", "step", "total")})
)


def _written(connection: Connection, reports: Sequence[ProgressReport]) -> set[AttemptKey]:
    # Locked rows are skipped: to wait for them while others are locked could deadlock with the heartbeat,
    # which locks all rows of this worker.
    free = (
        select(JOBS.c.id, JOBS.c.fence)
        .where(JOBS.c.id.in_([report.job_id for report in reports]), in_state(JobState.RUNNING))
        .with_for_update(skip_locked=True)
    )
    current = {(row.id, row.fence) for row in connection.execute(free)}
    current_reports = [report for report in reports if (report.job_id, report.fence) in current]
    if current_reports:
        connection.execute(_PROGRESS, [_progress(report) for report in current_reports])
    if previews := [_preview(report) for report in current_reports if report.preview]:
        connection.execute(_PREVIEW, previews)
    return {(report.job_id, report.fence) for report in current_reports}


def _progress(report: ProgressReport) -> dict[str, object]:
    return {"job": report.job_id, "step": report.progress.step, "total": report.progress.total}


def _preview(report: ProgressReport) -> dict[str, object]:
    assert report.preview is not None  # noqa: S101 - only those that have one
    columns = {"fence": report.fence, **report.preview.model_dump()}
    return {"job": report.job_id, **{f"new_{name}": value for name, value in columns.items()}}
