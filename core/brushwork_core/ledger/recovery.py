"""Recovery: jobs of lost workers, and jobs whose deadline has passed."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import Connection, Row, bindparam, false, or_, select, update

from brushwork_core.database.database import now_ms
from brushwork_core.database.notifications import Topic, notify_leader
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

# Prefix of the names of tallies; the name of the outcome follows.
REAPED = "reaped: "
# Maximum of jobs that one transaction of `expire_queued` ends.
AT_ONCE = 500


class Recovery(LedgerPart):
    """Reaps and expires jobs. Any number of processes may call this at the same time."""

    def reap(
        self, dead: Collection[str] = (), *, stalled: Collection[str] = (), expired: bool = True
    ) -> Reaped:
        """Take back the jobs whose lease has expired, and the jobs of dead workers.

        A worker runs several jobs, and one of them may have killed it. If only one was performing, that job
        is charged with an attempt. If several were performing, none is charged: each is a suspect, and runs
        alone from now on. When one of them kills a worker alone, the others are cleared.

        Args:
            dead: Names of workers whose process is known to have ended.
            stalled: Ids of jobs that are known to have stalled.
            expired: Whether to take back the jobs of expired leases. False after an outage of the database,
                during which no worker could renew its leases.
        """
        with self._database.writing() as connection:
            _serialize(connection)
            gone, lost = _lost(connection, dead, self._lease_ms, expired)
            outcomes = _outcomes(gone, lost, stalled)
            for outcome, statement in _MOVES.items():
                execute_each(connection, statement, outcomes[outcome])
            for row in lost:
                was_suspect = row.suspicion not in (None, OWN_ERROR)
                if was_suspect and row.id in outcomes["charged"] + outcomes["failed"]:
                    # This job killed a worker alone, so the other suspects of the first death are cleared.
                    connection.execute(_CLEAR, {"of": row.suspicion, "but": row.id})
            note_ends(connection, [job_id for outcome in _ENDS for job_id in outcomes[outcome]])
            for outcome in outcomes:
                add_to_tally(connection, f"{REAPED}{outcome}", len(outcomes[outcome]))
            if lost:
                notify_leader(connection, Topic.BACKLOG)
        return Reaped(
            queued=tuple(job_id for name in _REQUEUES for job_id in outcomes[name]),
            failed=tuple(outcomes["failed"] + outcomes["stalled out"]),
            canceled=tuple(outcomes["canceled"]),
            expired=tuple(outcomes["expired"]),
            suspects=tuple(outcomes["suspect"]),
        )

    def expire_queued(self) -> list[str]:
        """Expire the queued jobs whose deadline has passed, and return their ids."""
        ended: list[str] = []
        while True:
            # Not all in one transaction: many jobs with one deadline would block other writers.
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
OUTCOMES = tuple(_MOVES)
_REQUEUES = ("charged", "stalled", "suspect", "innocent")
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


def _serialize(connection: Connection) -> None:
    """Serialize reaps: two at once would each see only some of the jobs of a worker, and miss suspects."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7122002)")


def _lost(
    connection: Connection, dead: Collection[str], lease_ms: int, expired: bool
) -> tuple[set[str], Lost]:
    """The dead workers, and the lost jobs: those of dead workers, and stalled ones that others released."""
    is_late = JOBS.c.lease_expires_at < now_ms() if expired else false()
    late_workers = select(JOBS.c.worker).where(in_state(JobState.RUNNING), is_late)
    overdue = set(connection.execute(late_workers).scalars())
    if not overdue and not dead:
        return set(), []
    # A worker with a heartbeat has released a stalled job, and its other jobs go on. The heartbeat must be
    # younger than half a lease: it is written just after a renewal, and the worker may have died after that.
    beats = select(WORKERS.c.name).where(
        WORKERS.c.name.in_(overdue), WORKERS.c.seen_at >= now_ms() - lease_ms // 2
    )
    gone = overdue - set(connection.execute(beats).scalars()) | set(dead)
    # One statement, so that one time decides about all. Locked rows are left to the next reap: to wait for
    # them while others are locked could deadlock.
    lost = (
        select(*_COLUMNS)
        .where(in_state(JobState.RUNNING), or_(is_late, JOBS.c.worker.in_(gone)))
        .with_for_update(skip_locked=True)
    )
    return gone, connection.execute(lost).all()


def _outcomes(gone: set[str], lost: Lost, stalled: Collection[str]) -> dict[str, list[str]]:
    """Ids of the lost jobs by their outcome, which is a key of `_MOVES`."""
    num_performing = Counter(row.worker for row in lost if row.is_performing)
    outcomes: dict[str, list[str]] = {outcome: [] for outcome in _MOVES}
    for row in lost:
        is_only_one = num_performing[row.worker] == 1
        has_stalled = row.worker not in gone or (is_only_one and row.id in stalled)
        outcomes[_outcome(row, has_stalled, is_only_one)].append(row.id)
    return outcomes


def _outcome(row: Row[Any], has_stalled: bool, is_only_one: bool) -> str:
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
