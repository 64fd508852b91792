"""The number of jobs that have not ended, counted up to a limit."""

from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from sqlalchemy import CompoundSelect, Integer, Select, func, literal_column, select, union_all

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, in_state, is_dispatched, waits_for_dispatch

_ONE = literal_column("1", Integer).label("one")


class OpenJobs:
    """Counts open jobs with partial indexes, so that ended jobs cost nothing.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def queued(self, kind: str, *, at_most: int) -> int:
        """Return the number of queued jobs of a kind, at most `at_most`."""
        of_kind = JOBS.c.kind == kind
        waiting, dispatched = (
            select(_ONE).where(is_so, of_kind).limit(at_most)
            for is_so in (waits_for_dispatch(), is_dispatched())
        )
        return self._count([waiting, dispatched], at_most)

    def open(self, tenant: str, *, at_most: int) -> int:
        """Return the number of open jobs of a tenant, at most `at_most`."""
        # Few jobs run. Wrapped in coalesce, because a planner would otherwise read all jobs of the tenant.
        of_tenant = func.coalesce(JOBS.c.tenant, "") == tenant
        parts = [select(_ONE).where(in_state(JobState.RUNNING), of_tenant)]
        # One query per kind, because the indexes of queued jobs begin with the kind.
        for kind in all_kinds():
            of_kind = JOBS.c.kind == kind
            parts.append(select(_ONE).where(waits_for_dispatch(), of_kind, JOBS.c.tenant == tenant))
            parts.append(select(_ONE).where(is_dispatched(), of_kind, of_tenant))
        return self._count([part.limit(at_most) for part in parts], at_most)

    def _count(self, parts: list[Select[int]], at_most: int) -> int:
        # SQLite allows LIMIT in a subquery of a union, but not in the union.
        found: CompoundSelect[int] = union_all(*(select(part.subquery()) for part in parts))
        counted = select(func.count()).select_from(found.subquery())
        with self._database.reading() as connection:
            return min(at_most, connection.execute(counted).scalar_one())
