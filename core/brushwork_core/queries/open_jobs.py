"""How many jobs there are that have not ended, counted no further than it matters."""

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from sqlalchemy import CompoundSelect, Integer, Select, func, literal_column, select, union_all

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, in_state, is_dispatched, waits_for_dispatch

_ONE = literal_column("1", Integer).label("one")


class OpenJobs:
    """Counts open jobs by the partial indexes: a million that have ended cost nothing.

    Args:
        database: Where the jobs are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def queued(self, kind: str, *, at_most: int) -> int:
        """Queued jobs of a kind, or `at_most` if there are as many."""
        of_kind = JOBS.c.kind == kind
        waiting, dispatched = (
            select(_ONE).where(is_so, of_kind).limit(at_most)
            for is_so in (waits_for_dispatch(), is_dispatched())
        )
        return self._count([waiting, dispatched], at_most)

    def open(self, tenant: str, *, at_most: int) -> int:
        """Jobs of a tenant that have not ended, or `at_most` if there are as many."""
        # Few of anybody; wrapped, for a planner would rather read all jobs that the tenant ever had.
        of_tenant = func.coalesce(JOBS.c.tenant, "") == tenant
        parts = [select(_ONE).where(in_state(JobState.RUNNING), of_tenant)]
        # Each kind by itself, for so the indexes of queued jobs are sorted.
        for kind in all_kinds():
            of_kind = JOBS.c.kind == kind
            parts.append(select(_ONE).where(waits_for_dispatch(), of_kind, JOBS.c.tenant == tenant))
            parts.append(select(_ONE).where(is_dispatched(), of_kind, of_tenant))
        return self._count([part.limit(at_most) for part in parts], at_most)

    def _count(self, parts: list[Select[int]], at_most: int) -> int:
        # SQLite takes no LIMIT inside a union, but inside a subquery of it.
        found: CompoundSelect[int] = union_all(*(select(part.subquery()) for part in parts))
        counted = select(func.count()).select_from(found.subquery())
        with self._database.reading() as connection:
            return min(at_most, connection.execute(counted).scalar_one())
