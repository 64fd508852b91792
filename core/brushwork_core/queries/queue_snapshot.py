"""The queue of a kind at one moment: messages in Redis first, then the turns of tenants in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from brushwork_schemas.options import Priority
from brushwork_schemas.outlook import MOST_COUNTED
from brushwork_schemas.states import JobState
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    bindparam,
    case,
    func,
    literal_column,
    select,
    tuple_,
)

from brushwork_core.database.database import now_ms
from brushwork_core.database.tables import JOBS, is_dispatched, waits_for_dispatch

MOST_DISPATCHED = 2000
MOST_TENANTS = 64
_ORDER = {priority.value: place for place, priority in enumerate(reversed(Priority))}
_ONE = literal_column("1", Integer).label("one")


@dataclass(frozen=True)
class QueueSnapshot:
    """The queued jobs of one kind at one moment.

    Args:
        dispatched: Position of each job that has a message, by id, from 0. These jobs are first.
        waiting: Number of jobs without a message, by tenant: at most 64 tenants, each counted up to 10,000.
        oldest_s: Seconds that the oldest job waits, of the jobs whose turn is next; None if none waits.
    """

    dispatched: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    oldest_s: float | None = None

    @property
    def num_waiting(self) -> int:
        """The number of jobs without a message, as far as they were counted."""
        return sum(self.waiting.values())

    @classmethod
    def read(cls, connection: Connection, kind: str) -> Self:
        """Read the queue of a kind."""
        sent = connection.execute(_DISPATCHED, {"kind": kind}).all()
        in_order = sorted(sent, key=lambda row: (_ORDER.get(row.priority, 0), row.dispatched_at, row.id))
        turns = connection.execute(_TURNS, {"kind": kind}).all()
        ages_ms = [row.waited_ms for row in (*sent, *turns)]
        return cls(
            dispatched={row.id: place for place, row in enumerate(in_order)},
            waiting={row.tenant: row.num_jobs for row in turns},
            oldest_s=max(0, *ages_ms) / 1000 if ages_ms else None,
        )

    def num_before(self, tenant: str, num_own: int) -> int:
        """Return the number of jobs before a job without a message, where tenants take turns.

        It is an approximation: it ignores whose turn is next, and pauses between attempts.

        Args:
            tenant: Tenant of the job.
            num_own: Number of jobs of the same tenant before it.
        """
        others = (min(count, num_own) for other, count in self.waiting.items() if other != tenant)
        return len(self.dispatched) + num_own + sum(others)


def num_own_before() -> ColumnElement[int]:
    """The number of jobs before a job of `JOBS` without a message, of its tenant and kind, up to 10,000.

    A subquery that belongs into a query of the job, so that one question is enough. Zero for other jobs.
    """
    own = JOBS.alias("own")
    number = _counted(
        select(_ONE)
        .where(
            own.c.kind == JOBS.c.kind,
            own.c.tenant == JOBS.c.tenant,
            # Written as in the index of the backlog.
            own.c.state == literal_column(f"'{JobState.QUEUED.value}'", String()),
            own.c.dispatched_at.is_(None),
            tuple_(own.c.rank, own.c.id) < tuple_(JOBS.c.rank, JOBS.c.id),
        )
        .correlate(JOBS)
    )
    return case((waits_for_dispatch(), number.correlate(JOBS).scalar_subquery()), else_=0)


def _counted(rows: Select[int]) -> Select[int]:
    return select(func.count()).select_from(rows.limit(MOST_COUNTED).subquery())


def _turns() -> Select[str, int, int]:
    """The tenants, by one index look-up for each. A DISTINCT would read every job."""
    of_kind = (JOBS.c.kind == bindparam("kind"), waits_for_dispatch())
    tenants = select(func.min(JOBS.c.tenant).label("tenant")).where(*of_kind).cte("tenants", recursive=True)
    following = select(func.min(JOBS.c.tenant)).where(*of_kind, JOBS.c.tenant > tenants.c.tenant)
    tenants = tenants.union_all(select(following.scalar_subquery()).where(tenants.c.tenant.is_not(None)))
    of_tenant = (*of_kind, JOBS.c.tenant == tenants.c.tenant)
    count = _counted(select(_ONE).where(*of_tenant).correlate(tenants))
    first = select(now_ms() - JOBS.c.queued_at).where(*of_tenant).order_by(JOBS.c.rank, JOBS.c.id).limit(1)
    return (
        select(
            tenants.c.tenant,
            count.correlate(tenants).scalar_subquery().label("num_jobs"),
            first.correlate(tenants).scalar_subquery().label("waited_ms"),
        )
        .where(tenants.c.tenant.is_not(None))
        .limit(MOST_TENANTS)
    )


_TURNS = _turns()
_DISPATCHED = (
    select(JOBS.c.id, JOBS.c.priority, JOBS.c.dispatched_at, (now_ms() - JOBS.c.queued_at).label("waited_ms"))
    .where(JOBS.c.kind == bindparam("kind"), is_dispatched())
    .order_by(JOBS.c.dispatched_at, JOBS.c.id)
    .limit(MOST_DISPATCHED)
)
