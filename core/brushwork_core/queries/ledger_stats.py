"""Figures of the whole ledger, for /metrics: how much waits, how much there is, what is still to be told."""

from collections.abc import Mapping
from dataclasses import dataclass

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from sqlalchemy import Connection, func, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import (
    JOBS,
    TALLIES,
    WEBHOOK_EVENTS,
    WORKERS,
    in_state,
    is_dead,
    is_dispatched,
    is_open,
    waits_for_dispatch,
)
from brushwork_core.ledger.recovery import OUTCOMES, REAPED
from brushwork_core.queries.queue_snapshot import QueueSnapshot


@dataclass(frozen=True)
class QueueStats:
    """The queue of a kind.

    Args:
        depth: Jobs that wait, with a message and without.
        oldest_s: How long the oldest waits of those whose turn is next; 0 where nobody waits.
    """

    depth: int
    oldest_s: float


@dataclass(frozen=True)
class OutboxStats:
    """The events of webhooks.

    Args:
        num_open: Neither delivered nor dead.
        oldest_s: How long the oldest of them has been there; 0 where there is none.
        num_dead: Nobody tries them again, unless somebody asks for it.
    """

    num_open: int
    oldest_s: float
    num_dead: int


class LedgerStats:
    """Reads figures. Those of what is under way cost as much as there is of it, however much has ended.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def queues(self) -> Mapping[str, QueueStats]:
        """Each kind's queue."""
        with self._database.reading() as connection:
            return {kind: _queue(connection, kind) for kind in all_kinds()}

    def num_running(self) -> int:
        """Jobs that run."""
        with self._database.reading() as connection:
            counted = select(func.count()).select_from(JOBS).where(in_state(JobState.RUNNING))
            return int(connection.execute(counted).scalar_one())

    def num_ended(self) -> Mapping[JobState, int]:
        """Jobs by the state in which they ended: reads the index of all of them, so ask seldom."""
        ended = [state for state in JobState if state.is_terminal]
        counted = select(JOBS.c.state, func.count()).where(JOBS.c.state.in_(ended)).group_by(JOBS.c.state)
        with self._database.reading() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(counted)}
        return {state: found.get(state, 0) for state in ended}

    def outbox(self) -> OutboxStats:
        """What is to be told."""
        oldest_ms = func.coalesce(now_ms() - func.min(WEBHOOK_EVENTS.c.created_at), 0)
        waiting = select(func.count().label("num_open"), oldest_ms.label("oldest_ms")).where(is_open())
        dead = select(func.count()).select_from(WEBHOOK_EVENTS).where(is_dead())
        with self._database.reading() as connection:
            row = connection.execute(waiting).one()
            num_dead = connection.execute(dead).scalar_one()
        return OutboxStats(int(row.num_open), max(0.0, row.oldest_ms / 1000), int(num_dead))

    def reaped(self) -> Mapping[str, int]:
        """Jobs taken back from lost workers since the tables were made, by what became of them."""
        counted = select(TALLIES.c.name, TALLIES.c.number).where(TALLIES.c.name.startswith(REAPED))
        with self._database.reading() as connection:
            found = {row.name.removeprefix(REAPED): int(row.number) for row in connection.execute(counted)}
        return {outcome: found.get(outcome, 0) for outcome in OUTCOMES}

    def workers(self, within_s: float) -> Mapping[bool, int]:
        """Workers that were heard of within so many seconds, by whether they are ready."""
        since = now_ms() - round(within_s * 1000)
        counted = (
            select(WORKERS.c.ready, func.count()).where(WORKERS.c.seen_at >= since).group_by(WORKERS.c.ready)
        )
        with self._database.reading() as connection:
            found = {bool(ready): int(number) for ready, number in connection.execute(counted)}
        return {ready: found.get(ready, 0) for ready in (True, False)}


def _queue(connection: Connection, kind: str) -> QueueStats:
    depth = sum(
        connection.execute(
            select(func.count()).select_from(JOBS).where(JOBS.c.kind == kind, waits)
        ).scalar_one()
        for waits in (waits_for_dispatch(), is_dispatched())
    )
    return QueueStats(int(depth), (QueueSnapshot.read(connection, kind).oldest_s or 0.0) if depth else 0.0)
