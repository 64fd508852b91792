"""The wire between running jobs and their callers: progress and previews go out, wishes come in.

It changes no state. What it says is a courtesy: the lease alone decides whether a job goes on, and no
transition knows of previews. A preview is shown while its attempt runs, and swept away later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import Progress, checked_id
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, or_, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import JOBS, PREVIEWS, in_state
from brushwork_core.database.upsert import upsert

# Whoever asked for a preview counts as looking for so long, and a caller that goes on asking is written down
# anew only this often: to ask is a read, most of the time.
LOOKING_MS = 10_000
NOTED_AGAIN_AFTER_MS = 2_500
# Which attempt of which job: its id, and the fence of the claim.
AttemptKey = tuple[str, int]


@dataclass(frozen=True)
class ProgressReport:
    """What a worker says of an attempt that it runs; a preview only where there is a new one."""

    job_id: str
    fence: int
    progress: Progress
    preview: Preview | None = None


@dataclass(frozen=True)
class JobSignal:
    """What callers want of a running job: that it stops, that it shows what it has."""

    stop: bool
    preview: bool


class JobSignals:
    """One statement or two for all running jobs of a worker, however many they are.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def tell(self, reports: Sequence[ProgressReport]) -> set[AttemptKey]:
        """Write down how far jobs are and what they look like, all in one transaction.

        Returns:
            What was written. Attempts that are over are left out, and until the next time those jobs that
            somebody is changing at this moment.
        """
        return self._database.write(lambda connection: _told(connection, reports)) if reports else set()

    def signals(self, worker: str) -> dict[AttemptKey, JobSignal]:
        """What is wanted of the running jobs of `worker`; a read that waits for nobody.

        Returns:
            Only those of which something is wanted.
        """
        looking = and_(PREVIEWS.c.job_id == JOBS.c.id, PREVIEWS.c.asked_at > now_ms() - LOOKING_MS)
        asked = (
            select(JOBS.c.id, JOBS.c.fence, JOBS.c.cancel_requested, _SOMEBODY_LOOKS.label("preview"))
            .outerjoin(PREVIEWS, looking)
            .where(
                JOBS.c.worker == worker,
                in_state(JobState.RUNNING),
                or_(JOBS.c.cancel_requested, _SOMEBODY_LOOKS),
            )
        )
        with self._database.reading() as connection:
            rows = connection.execute(asked).all()
        return {
            (row.id, row.fence): JobSignal(stop=row.cancel_requested, preview=row.preview) for row in rows
        }

    def preview(self, job_id: str) -> Preview | None:
        """Look at a running job: its newest preview, if there is one yet. To look is what has them made.

        Raises:
            JobNotFound: There is no such job.
        """
        noted = PREVIEWS.c.asked_at > now_ms() - NOTED_AGAIN_AFTER_MS
        seen = (
            select(JOBS.c.state, noted.label("noted"), PREVIEWS)
            .add_columns((PREVIEWS.c.fence == JOBS.c.fence).label("is_current"))
            .outerjoin(PREVIEWS, PREVIEWS.c.job_id == JOBS.c.id)
            .where(JOBS.c.id == checked_id(job_id))
        )
        with self._database.reading() as connection:
            row = connection.execute(seen).one_or_none()
        if row is None:
            raise JobNotFound(f"There is no job {job_id!r}.", field="id")
        if row.state != JobState.RUNNING:
            return None
        if not row.noted:
            self._ask(job_id)
        return Preview(jpeg=row.jpeg, step=row.step, total=row.total) if row.is_current else None

    def sweep(self) -> None:
        """Remove the previews of jobs that do not run."""
        over = (
            select(PREVIEWS.c.job_id)
            .join(JOBS, JOBS.c.id == PREVIEWS.c.job_id)
            .where(~in_state(JobState.RUNNING))
            .with_for_update(of=PREVIEWS, skip_locked=True)
        )
        with self._database.writing() as connection:
            connection.execute(delete(PREVIEWS).where(PREVIEWS.c.job_id.in_(over)))

    def _ask(self, job_id: str) -> None:
        with self._database.writing() as connection:
            upsert(connection, PREVIEWS, {"job_id": job_id}, {"asked_at": now_ms()})


_SOMEBODY_LOOKS: ColumnElement[bool] = PREVIEWS.c.job_id.is_not(None)
_PROGRESS = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"))
    .values(progress_step=bindparam("step"), progress_total=bindparam("total"))
)
# An update, for whoever asked has made the row; if it is gone, nobody looks.
_PREVIEW = (
    update(PREVIEWS)
    .where(PREVIEWS.c.job_id == bindparam("job"))
    .values({name: bindparam(f"new_{name}") for name in ("fence", "jpeg", "step", "total")})
)


def _told(connection: Connection, reports: Sequence[ProgressReport]) -> set[AttemptKey]:
    # Rows that somebody holds are passed over: to wait for them while holding others could meet the
    # heartbeat, which takes all rows of this worker, in a deadlock.
    free = (
        select(JOBS.c.id, JOBS.c.fence)
        .where(JOBS.c.id.in_([report.job_id for report in reports]), in_state(JobState.RUNNING))
        .with_for_update(skip_locked=True)
    )
    current = {(row.id, row.fence) for row in connection.execute(free)}
    heard = [report for report in reports if (report.job_id, report.fence) in current]
    if heard:
        connection.execute(_PROGRESS, [_progress(report) for report in heard])
    if shown := [_preview(report) for report in heard if report.preview]:
        connection.execute(_PREVIEW, shown)
    return {(report.job_id, report.fence) for report in heard}


def _progress(report: ProgressReport) -> dict[str, object]:
    return {"job": report.job_id, "step": report.progress.step, "total": report.progress.total}


def _preview(report: ProgressReport) -> dict[str, object]:
    assert report.preview is not None  # noqa: S101 - only those that have one
    columns = {"fence": report.fence, **report.preview.model_dump()}
    return {"job": report.job_id, **{f"new_{name}": value for name, value in columns.items()}}
