"""Reads jobs by the ids of Celery tasks, for programs that know only Celery."""

from brushwork_schemas.job import Job
from sqlalchemy import select

from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import CELERY_CHAINED
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queue.task_ids import job_id_of, shown


class TaskStates:
    """Finds what the ledger knows about a Celery task. It changes nothing.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._index = JobIndex(database)

    def job(self, task_id: str) -> Job | None:
        """Return the job of a task; None if the task is no job, or its message has not reached a worker."""
        return next(iter(self._index.get_many([job_id_of(task_id)])), None)

    def broken_chain(self, task_id: str) -> Job | None:
        """Return the job that ended without a result, so that this task of its chain never runs."""
        before = select(CELERY_CHAINED.c.job_id).where(CELERY_CHAINED.c.task_id == task_id)
        # Other ids are never stored, and a database cannot look for all of them.
        if task_id != shown(task_id):
            return None
        with self._database.reading() as connection:
            job_id = connection.execute(before).scalar()
        found = self._index.get_many([job_id]) if job_id else []
        return next((job for job in found if _has_ended_without_result(job)), None)


def _has_ended_without_result(job: Job) -> bool:
    return job.is_finished and job.result is None and job.review is None
