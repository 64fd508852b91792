"""The wire between running jobs and their callers: progress goes out, the wish to stop comes in.

It changes no state. What it says is a courtesy: the lease alone decides whether a job goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from brushwork_schemas.database import Database
from brushwork_schemas.job import Progress
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import JOBS, in_state

# Which attempt of which job: its id, and the fence of the claim.
Attempt = tuple[str, int]


@dataclass(frozen=True)
class Report:
    """What a worker says of an attempt that it runs."""

    job_id: str
    fence: int
    progress: Progress


class Wire:
    """One statement or two for all running jobs of a worker, however many they are.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def tell(self, reports: Sequence[Report]) -> set[Attempt]:
        """Write down how far jobs are, all in one transaction.

        Returns:
            What was written. Attempts that are over are left out, and until the next time those jobs that
            somebody is changing at this moment.
        """
        if not reports:
            return set()
        # Rows that somebody holds are passed over: to wait for them while holding others could meet the
        # heartbeat, which takes all rows of this worker, in a deadlock.
        free = (
            select(JOBS.c.id, JOBS.c.fence)
            .where(JOBS.c.id.in_([report.job_id for report in reports]), in_state(JobState.RUNNING))
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            current = {(row.id, row.fence) for row in connection.execute(free)}
            heard = [report for report in reports if (report.job_id, report.fence) in current]
            if heard:
                connection.execute(_PROGRESS, [_columns(report) for report in heard])
        return {(report.job_id, report.fence) for report in heard}

    def stops(self, worker: str) -> set[Attempt]:
        """The running jobs of `worker` that are asked to stop; a read that waits for nobody."""
        asked = select(JOBS.c.id, JOBS.c.fence).where(
            JOBS.c.worker == worker, in_state(JobState.RUNNING), JOBS.c.cancel_requested
        )
        with self._database.reading() as connection:
            return {(row.id, row.fence) for row in connection.execute(asked)}


_PROGRESS = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job"))
    .values(progress_step=bindparam("step"), progress_total=bindparam("total"))
)


def _columns(report: Report) -> dict[str, object]:
    return {"job": report.job_id, "step": report.progress.step, "total": report.progress.total}
