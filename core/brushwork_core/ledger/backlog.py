"""The backlog: which queued jobs get a message next. Tenants take turns, each with its oldest job.

Most queued jobs wait in the ledger and not in Redis, because a message that is sent cannot be overtaken.
Redis holds the next few jobs of each kind; workers refill it from the backlog.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, zip_longest
from typing import Any

from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    String,
    exists,
    func,
    literal,
    select,
    union_all,
)

from brushwork_core.database.database import now_ms
from brushwork_core.database.tables import JOBS, in_state, is_dispatched, waits_for_dispatch
from brushwork_core.ledger.ledger_part import LedgerPart
from brushwork_core.ledger.records import Dispatch
from brushwork_core.ledger.transitions import ROW, execute_each, may_start
from brushwork_core.shares.equal_share import shortfalls

MOST_TENANTS = 64


class Backlog(LedgerPart):
    """Selects the queued jobs whose messages are published next."""

    def dispatch(self, kind: str, limit: int, *, after_tenant: str | None = None) -> list[Dispatch]:
        """Return jobs that have no message, and mark them as dispatched.

        Args:
            kind: Name of the kind.
            limit: Maximum number of jobs.
            after_tenant: Tenant of the last dispatched job; the turns continue after it.
        """
        if limit <= 0:
            return []
        with self._database.writing() as connection:
            tenants = _tenants(connection, kind, min(limit, MOST_TENANTS), after_tenant)
            share = -(-limit // len(tenants)) if tenants else 0
            turns = [_oldest(connection, kind, tenant, share) for tenant in tenants]
            return _sent(connection, list(chain.from_iterable(zip_longest(*turns))), limit)

    def dispatch_overdue(self, kind: str) -> list[Dispatch]:
        """Return jobs of tenants that run fewer jobs of `kind` than their share, and mark them as dispatched.

        Their messages are sent before those that Redis holds: these may all be of one tenant, and were sent
        before the other tenant came.
        """
        with self._database.reading() as connection:
            running = _number_by_tenant(connection, kind, in_state(JobState.RUNNING))
            coming = _number_by_tenant(connection, kind, is_dispatched()) if running else {}
            waiting = list(_tenants_from(connection, kind, MOST_TENANTS, None)) if running else []
        missing = shortfalls(running, coming, waiting)
        if not missing:
            return []
        with self._database.writing() as connection:
            rows = [_oldest(connection, kind, tenant, number) for tenant, number in missing.items()]
            jobs = _sent(connection, list(chain.from_iterable(zip_longest(*rows))), sum(missing.values()))
        return [replace(job, again=True) for job in jobs]

    def dispatch_again(self, kind: str, limit: int, *, older_than_s: float) -> list[Dispatch]:
        """Return queued jobs whose message may be lost, and mark them as dispatched now.

        Args:
            kind: Name of the kind.
            limit: Maximum number of jobs, the oldest messages first.
            older_than_s: Minimum age of the message in seconds.
        """
        if limit <= 0:
            return []
        is_old = JOBS.c.dispatched_at < now_ms() - round(older_than_s * 1000)
        due = (
            select(*_COLUMNS)
            .where(JOBS.c.kind == kind, is_dispatched(), is_old)
            .order_by(JOBS.c.dispatched_at, JOBS.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            jobs = _sent(connection, connection.execute(due).all(), limit)
        return [replace(job, again=True) for job in jobs]

    def undispatch(self, job_ids: Iterable[str]) -> None:
        """Mark jobs as not dispatched, because their messages could not be sent."""
        statement = ROW.where(in_state(JobState.QUEUED)).values(dispatched_at=None)
        with self._database.writing() as connection:
            execute_each(connection, statement, sorted(job_ids))

    def has_backlog(self, kind: str) -> bool:
        """Return whether a job of `kind` waits for a message."""
        return bool(self.kinds_with_backlog((kind,)))

    def kinds_with_backlog(self, kinds: Iterable[str]) -> list[str]:
        """Return those of `kinds` of which a job waits for a message, with one query."""
        names = tuple(kinds)
        if not names:
            return []
        with self._database.reading() as connection:
            return list(connection.execute(_with_backlog(names)).scalars())

    def num_dispatched(self, kind: str) -> int:
        """Return the number of queued jobs of `kind` that should have a message."""
        counted = select(func.count()).select_from(JOBS).where(JOBS.c.kind == kind, is_dispatched())
        with self._database.reading() as connection:
            return int(connection.execute(counted).scalar_one())


_COLUMNS = (
    *(JOBS.c.id, JOBS.c.kind, JOBS.c.label, JOBS.c.priority, JOBS.c.tenant, JOBS.c.traceparent),
    # A claim increases the fence, so a job with a fence was claimed before.
    (JOBS.c.fence > 0).label("again"),
)


@cache
def _with_backlog(kinds: tuple[str, ...]) -> Executable:
    """One look into the index for each kind. Built once: the leader asks several times a second."""
    waits = (waits_for_dispatch(), may_start())
    return union_all(
        *(
            select(literal(kind, String()).label("kind")).where(exists().where(JOBS.c.kind == kind, *waits))
            for kind in kinds
        )
    )


def _number_by_tenant(connection: Connection, kind: str, which: ColumnElement[bool]) -> dict[str, int]:
    counted = select(JOBS.c.tenant, func.count()).where(JOBS.c.kind == kind, which).group_by(JOBS.c.tenant)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _tenants(connection: Connection, kind: str, limit: int, after: str | None) -> list[str]:
    """Tenants that have jobs to dispatch, in the order of their turns; one index look-up for each."""
    later = list(_tenants_from(connection, kind, limit, after))
    if after is None or len(later) == limit:
        return later
    return later + [
        name for name in _tenants_from(connection, kind, limit - len(later), None) if name <= after
    ]


def _tenants_from(connection: Connection, kind: str, limit: int, after: str | None) -> Iterable[str]:
    for _ in range(limit):
        beyond = () if after is None else (JOBS.c.tenant > after,)
        found = connection.execute(
            select(JOBS.c.tenant)
            .where(JOBS.c.kind == kind, waits_for_dispatch(), may_start(), *beyond)
            .order_by(JOBS.c.tenant)
            .limit(1)
        ).scalar()
        if found is None:
            return
        yield found
        after = found


def _oldest(connection: Connection, kind: str, tenant: str, limit: int) -> Sequence[Any]:
    return connection.execute(
        select(*_COLUMNS)
        .where(JOBS.c.kind == kind, JOBS.c.tenant == tenant, waits_for_dispatch(), may_start())
        .order_by(JOBS.c.rank, JOBS.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def _sent(connection: Connection, rows: Sequence[Any], limit: int) -> list[Dispatch]:
    chosen = [row for row in rows if row is not None][:limit]
    execute_each(connection, ROW.values(dispatched_at=now_ms()), [row.id for row in chosen])
    return [
        Dispatch(row.id, row.kind, row.label, Priority(row.priority), row.tenant, row.traceparent, row.again)
        for row in chosen
    ]
