"""What is done for jobs whose worker is gone, and for those whose time is over."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import Connection, Row, bindparam, or_, select, update

from brushwork_core.database.database import now_ms
from brushwork_core.database.tables import JOBS, WORKERS, in_state
from brushwork_core.ledger.attempts import OWN_ERROR
from brushwork_core.ledger.ledger_part import LedgerPart
from brushwork_core.ledger.records import STALLED, WORKER_LOST, Reaped
from brushwork_core.ledger.transitions import (
    ROW,
    add_to_tally,
    end,
    execute_each,
    is_overdue,
    note_ends,
    requeue,
)

# Of the names of tallies: what follows is the fate.
REAPED = "reaped: "
# Jobs that one transaction of `expire_queued` ends.
AT_ONCE = 500


class Recovery(LedgerPart):
    """Reap and expire: safe to call from anywhere, any number at once."""

    def reap(self, dead: Collection[str] = (), *, stalled: Collection[str] = ()) -> Reaped:
        """Take back every job whose lease has run out, and those of workers that are known to be dead.

        One process runs many jobs, and one of them may have killed it. If only one was performing, that one
        is charged with the loss. If there were several, none is: each is a suspect and runs alone from now
        on, until one of them dies alone; that clears the others.

        Args:
            dead: Workers of which somebody knows that their process has ended.
            stalled: Jobs of which somebody knows that they do not move any more.
        """
        with self._database.writing() as connection:
            _wait_for_others(connection)
            gone, lost = _lost(connection, dead, self._lease_ms)
            fates = _fates(gone, lost, stalled)
            for fate, statement in _MOVES.items():
                execute_each(connection, statement, fates[fate])
            for row in lost:
                if row.id in fates["charged"] + fates["failed"] and row.suspicion not in (None, OWN_ERROR):
                    # Whoever died alone is the guilty one of those who were there when the first worker died.
                    connection.execute(_CLEAR, {"of": row.suspicion, "but": row.id})
            note_ends(connection, [job_id for fate in _ENDS for job_id in fates[fate]])
            for fate in fates:
                add_to_tally(connection, f"{REAPED}{fate}", len(fates[fate]))
        return Reaped(
            queued=tuple(fates["charged"] + fates["stalled"] + fates["suspect"] + fates["innocent"]),
            failed=tuple(fates["failed"] + fates["stalled out"]),
            canceled=tuple(fates["canceled"]),
            expired=tuple(fates["expired"]),
            suspects=tuple(fates["suspect"]),
        )

    def expire_queued(self) -> list[str]:
        """End the queued jobs whose deadline has passed; their ids."""
        ended: list[str] = []
        while True:
            # Not all in one transaction: a flood with one deadline would keep everybody else from writing.
            with self._database.writing() as connection:
                ids = list(connection.execute(_OVERDUE).scalars())
                execute_each(connection, end(ROW, JobState.EXPIRED), ids)
                note_ends(connection, ids)
            ended += ids
            if len(ids) < AT_ONCE:
                return ended


_OVERDUE = (
    select(JOBS.c.id)
    .where(in_state(JobState.QUEUED), JOBS.c.deadline_at <= now_ms())
    .limit(AT_ONCE)
    .with_for_update(skip_locked=True)
)
_MOVES = {
    "canceled": end(ROW, JobState.CANCELED),
    "expired": end(ROW, JobState.EXPIRED),
    "failed": end(ROW, JobState.FAILED).values(error=WORKER_LOST.model_dump()),
    "stalled out": end(ROW, JobState.FAILED).values(error=STALLED.model_dump()),
    "charged": requeue(ROW).values(last_error=WORKER_LOST.model_dump(), suspicion=JOBS.c.worker),
    "stalled": requeue(ROW).values(last_error=STALLED.model_dump()),
    "suspect": requeue(ROW).values(attempt=JOBS.c.attempt - 1, suspicion=JOBS.c.worker),
    "innocent": requeue(ROW).values(attempt=JOBS.c.attempt - 1),
}
FATES = tuple(_MOVES)
_ENDS = ("canceled", "expired", "failed", "stalled out")
_CLEAR = (
    update(JOBS)
    .where(in_state(JobState.QUEUED), JOBS.c.suspicion == bindparam("of"), JOBS.c.id != bindparam("but"))
    .values(suspicion=None)
)
_COLUMNS = (
    *(JOBS.c.id, JOBS.c.worker, JOBS.c.is_performing, JOBS.c.cancel_requested),
    *(JOBS.c.attempt, JOBS.c.max_attempts, JOBS.c.suspicion, is_overdue().label("is_overdue")),
)
Lost = Sequence[Row[Any]]


def _wait_for_others(connection: Connection) -> None:
    """Two reapers that share a worker's jobs between them would each see fewer suspects than there are."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7122002)")


def _lost(connection: Connection, dead: Collection[str], lease_ms: int) -> tuple[set[str], Lost]:
    """The workers that are gone; and the jobs that are lost: all of theirs, and those that others let go."""
    is_late = JOBS.c.lease_expires_at < now_ms()
    late = select(JOBS.c.worker).where(in_state(JobState.RUNNING), is_late)
    silent = set(connection.execute(late).scalars())
    if not silent and not dead:
        return set(), []
    # A worker that still beats has let go of a job that does not move; all its others go on. Seen within half
    # a lease, not a whole one: a worker is seen a moment after it renews, and may have died right after that.
    beats = select(WORKERS.c.name).where(
        WORKERS.c.name.in_(silent), WORKERS.c.seen_at >= now_ms() - lease_ms // 2
    )
    gone = silent - set(connection.execute(beats).scalars()) | set(dead)
    # One look at the clock decides for all. Rows that somebody holds are left to the next reap: to wait for
    # them while holding others is how two reapers would come to a deadlock.
    lost = (
        select(*_COLUMNS)
        .where(in_state(JobState.RUNNING), or_(is_late, JOBS.c.worker.in_(gone)))
        .with_for_update(skip_locked=True)
    )
    return gone, connection.execute(lost).all()


def _fates(gone: set[str], lost: Lost, stalled: Collection[str]) -> dict[str, list[str]]:
    """What becomes of each: the name of its move, and the ids."""
    num_performing = Counter(row.worker for row in lost if row.is_performing)
    fates: dict[str, list[str]] = {fate: [] for fate in _MOVES}
    for row in lost:
        is_only_one = num_performing[row.worker] == 1
        has_stalled = row.worker not in gone or (is_only_one and row.id in stalled)
        fates[_fate(row, has_stalled, is_only_one)].append(row.id)
    return fates


def _fate(row: Row[Any], has_stalled: bool, is_only_one: bool) -> str:
    if row.cancel_requested:
        return "canceled"
    if row.is_overdue:
        return "expired"
    is_last = row.attempt >= row.max_attempts
    if has_stalled:
        return "stalled out" if is_last else "stalled"
    if not row.is_performing:
        return "innocent"
    if not is_only_one:
        return "suspect"
    return "failed" if is_last else "charged"
