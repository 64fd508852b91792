"""The outbox of Celery: ends of jobs whose callbacks and final event are to be sent.

The ledger notes an end in the transaction that ends the job. Any number of senders take due ends and report
the result. An end that a sender took and did not report becomes due again when its lease expires.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import Connection, Update, and_, delete, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import CELERY_TASKS, is_task_end_due, is_task_open
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger.transitions import note_task_ends

LEASE_S = 60.0
_TERMINAL = tuple(state for state in JobState if state.is_terminal)


@dataclass(frozen=True)
class TaskEnd:
    """The end of a job, taken by one sender.

    Args:
        job_id: Id of the job.
        relations: Callbacks and relations of the message that the job came as; None for a job of a client.
        attempts: Number of times that a sender took it, including this one.
    """

    job_id: str
    relations: Mapping[str, Any] | None
    attempts: int


class TaskEnds:
    """Gives ends to senders, and stores what was sent. Safe with any number of senders.

    Args:
        database: Database of the ledger.
        lease_s: Seconds for which a taken end belongs to its sender. Longer than sending may take.
    """

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._lease_ms = round(lease_s * 1000)

    def take(self, limit: int) -> list[TaskEnd]:
        """Take due ends, those first that are due longest."""
        due = (
            select(CELERY_TASKS.c.job_id)
            .where(*_IS_DUE)
            .order_by(CELERY_TASKS.c.next_try_at, CELERY_TASKS.c.job_id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            ids = connection.execute(due).scalars().all()
        # Usually nothing is due. Then no write transaction is needed.
        return self._database.write(lambda connection: self._leased(connection, ids)) if ids else []

    def sent(self, end: TaskEnd) -> bool:
        """Record that everything was sent.

        Returns:
            Whether the end still belonged to this sender.
        """
        # Nothing else is kept of a client's job. The row of a message stays: a repeated end must find it.
        done: Any = (
            delete(CELERY_TASKS).where(_is_held(end))
            if end.relations is None
            else _held(end).values(next_try_at=None, sent_at=now_ms())
        )
        return self._database.write(lambda connection: int(connection.execute(done).rowcount)) == 1

    def retry(self, end: TaskEnd, after_s: float) -> None:
        """Let any sender take it again after a pause."""
        later = _held(end).values(next_try_at=now_ms() + round(after_s * 1000))
        self._database.write(lambda connection: connection.execute(later))

    def find_missed(self) -> int:
        """Note the ends of jobs that a worker of an older version ended.

        Such a worker does not know this outbox.

        Returns:
            The number of these jobs.
        """
        missed = (
            select(CELERY_TASKS.c.job_id)
            .join(JOBS, JOBS.c.id == CELERY_TASKS.c.job_id)
            .where(is_task_open(), JOBS.c.state.in_(_TERMINAL))
        )
        with self._database.reading() as connection:
            ids = connection.execute(missed).scalars().all()
        if ids:
            self._database.write(lambda connection: note_task_ends(connection, ids))
        return len(ids)

    def _leased(self, connection: Connection, ids: Sequence[str]) -> list[TaskEnd]:
        # Another sender may have taken some since the read. Rows that it has locked are left to it.
        free = (
            select(CELERY_TASKS.c.job_id)
            .where(CELERY_TASKS.c.job_id.in_(ids), *_IS_DUE)
            .order_by(CELERY_TASKS.c.job_id)
            .with_for_update(skip_locked=True)
        )
        taken = (
            update(CELERY_TASKS)
            .where(CELERY_TASKS.c.job_id.in_(connection.execute(free).scalars().all()))
            .values(attempts=CELERY_TASKS.c.attempts + 1, next_try_at=now_ms() + self._lease_ms)
            .returning(CELERY_TASKS)
        )
        return [TaskEnd(row.job_id, row.message, row.attempts) for row in connection.execute(taken)]


_IS_DUE = (is_task_end_due(), CELERY_TASKS.c.next_try_at <= now_ms())


def _is_held(end: TaskEnd) -> Any:
    return and_(
        CELERY_TASKS.c.job_id == end.job_id, CELERY_TASKS.c.attempts == end.attempts, is_task_end_due()
    )


def _held(end: TaskEnd) -> Update:
    """The end, if no other sender has taken or sent it since."""
    return update(CELERY_TASKS).where(_is_held(end))
