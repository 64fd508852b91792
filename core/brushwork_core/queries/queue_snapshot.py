"""Who waits for a kind of job: the messages in Redis, then the tenants' turns in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from brushwork_schemas.options import Priority
from brushwork_schemas.outlook import MOST_COUNTED
from sqlalchemy import Connection, Integer, Select, bindparam, func, literal_column, select, tuple_

from brushwork_core.database.database import now_ms
from brushwork_core.database.tables import JOBS, is_dispatched, waits_for_dispatch

MOST_DISPATCHED = 2000
MOST_TENANTS = 64
_ORDER = {priority.value: place for place, priority in enumerate(reversed(Priority))}
_ONE = literal_column("1", Integer).label("one")


@dataclass(frozen=True)
class QueueSnapshot:
    """Those who wait for one kind, at one moment.

    Args:
        dispatched: The place of each job that has a message, by id: those go first.
        waiting: How many have none, by tenant; of at most 64 tenants, and counted up to 10,000 each.
        oldest_s: How long the oldest waits of those whose turn is next; None where nobody waits.
    """

    dispatched: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    oldest_s: float | None = None

    @property
    def num_waiting(self) -> int:
        """How many have no message, as far as they were counted."""
        return sum(self.waiting.values())

    @classmethod
    def read(cls, connection: Connection, kind: str) -> Self:
        """The line of a kind as it is now."""
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
        """How many go before a job that has no message, when tenants take turns.

        An approximation: whose turn is next is not looked at, nor are pauses between attempts.

        Args:
            tenant: Whose job.
            num_own: Jobs of that tenant that go before it.
        """
        others = (min(count, num_own) for other, count in self.waiting.items() if other != tenant)
        return len(self.dispatched) + num_own + sum(others)


def num_own_before(connection: Connection, job: Any) -> int:
    """How many jobs of its tenant and kind go before a job without a message, up to 10,000.

    Args:
        connection: Reads.
        job: Its row: kind, tenant, rank, id.
    """
    of = {"kind": job.kind, "tenant": job.tenant, "rank": job.rank, "job": job.id}
    return int(connection.execute(_OWN_BEFORE, of).scalar_one())


def _counted(rows: Select[int]) -> Select[int]:
    return select(func.count()).select_from(rows.limit(MOST_COUNTED).subquery())


def _turns() -> Select[str, int, int]:
    """The tenants, by one look into the index for each; a DISTINCT would read every job."""
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
_OWN_BEFORE = _counted(
    select(_ONE).where(
        JOBS.c.kind == bindparam("kind"),
        JOBS.c.tenant == bindparam("tenant"),
        waits_for_dispatch(),
        tuple_(JOBS.c.rank, JOBS.c.id) < tuple_(bindparam("rank"), bindparam("job")),
    )
)
