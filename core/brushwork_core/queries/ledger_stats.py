"""Statistics of the ledger for /metrics: queues, running and ended jobs, workers, and the outbox."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from sqlalchemy import Connection, func, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS, is_dead, is_open
from brushwork_core.database.tables import (
    JOBS,
    TALLIES,
    WORKERS,
    in_state,
    is_dispatched,
    waits_for_dispatch,
)
from brushwork_core.ledger.recovery import OUTCOMES, REAPED
from brushwork_core.queries.queue_snapshot import QueueSnapshot


@dataclass(frozen=True)
class QueueStats:
    """Statistics of the queue of one kind.

    Args:
        depth: Queued jobs, with and without a message.
        oldest_s: Seconds that the oldest job waits, of the jobs whose turn is next; 0 if none waits.
    """

    depth: int
    oldest_s: float


@dataclass(frozen=True)
class OutboxStats:
    """Statistics of the webhook events.

    Args:
        num_open: Events that are neither delivered nor dead.
        oldest_s: Age of the oldest open event in seconds; 0 if there is none.
        num_dead: Events that are not attempted again, unless an operator replays them.
    """

    num_open: int
    oldest_s: float
    num_dead: int


class LedgerStats:
    """Reads statistics. The cost depends on the open jobs, not on the ended ones, except for `num_ended`.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def queues(self) -> Mapping[str, QueueStats]:
        """Return the statistics of the queue of each kind."""
        with self._database.reading() as connection:
            return {kind: _queue(connection, kind) for kind in all_kinds()}

    def num_running(self) -> int:
        """Return the number of running jobs."""
        with self._database.reading() as connection:
            counted = select(func.count()).select_from(JOBS).where(in_state(JobState.RUNNING))
            return int(connection.execute(counted).scalar_one())

    def num_ended(self) -> Mapping[JobState, int]:
        """Return the number of ended jobs by state. It reads the index of all of them, so it is slow."""
        ended = [state for state in JobState if state.is_terminal]
        counted = select(JOBS.c.state, func.count()).where(JOBS.c.state.in_(ended)).group_by(JOBS.c.state)
        with self._database.reading() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(counted)}
        return {state: found.get(state, 0) for state in ended}

    def outbox(self) -> OutboxStats:
        """Return the statistics of the webhook events."""
        oldest_ms = func.coalesce(now_ms() - func.min(WEBHOOK_EVENTS.c.created_at), 0)
        waiting = select(func.count().label("num_open"), oldest_ms.label("oldest_ms")).where(is_open())
        dead = select(func.count()).select_from(WEBHOOK_EVENTS).where(is_dead())
        with self._database.reading() as connection:
            row = connection.execute(waiting).one()
            num_dead = connection.execute(dead).scalar_one()
        return OutboxStats(int(row.num_open), max(0.0, row.oldest_ms / 1000), int(num_dead))

    def reaped(self) -> Mapping[str, int]:
        """Return the number of jobs ever taken back from lost workers, by outcome."""
        counted = select(TALLIES.c.name, TALLIES.c.number).where(TALLIES.c.name.startswith(REAPED))
        with self._database.reading() as connection:
            found = {row.name.removeprefix(REAPED): int(row.number) for row in connection.execute(counted)}
        return {outcome: found.get(outcome, 0) for outcome in OUTCOMES}

    def workers(self, within_s: float) -> Mapping[tuple[str, bool], int]:
        """Return the number of workers with a heartbeat in the last `within_s` seconds.

        Returns:
            By kind and readiness. A worker that serves several kinds counts for each of them.
        """
        since = now_ms() - round(within_s * 1000)
        live = select(WORKERS.c.kinds, WORKERS.c.ready).where(WORKERS.c.seen_at >= since)
        with self._database.reading() as connection:
            rows = connection.execute(live).all()
        found = Counter((kind, bool(row.ready)) for row in rows for kind in row.kinds)
        return {(kind, ready): found[kind, ready] for kind in all_kinds() for ready in (True, False)}


def _queue(connection: Connection, kind: str) -> QueueStats:
    depth = sum(
        connection.execute(
            select(func.count()).select_from(JOBS).where(JOBS.c.kind == kind, waits)
        ).scalar_one()
        for waits in (waits_for_dispatch(), is_dispatched())
    )
    return QueueStats(int(depth), (QueueSnapshot.read(connection, kind).oldest_s or 0.0) if depth else 0.0)
