"""How many jobs wait, and how many run on this worker and on all: for an even division between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import Integer, bindparam, func, literal_column, select

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, in_state, waits_for_dispatch
from brushwork_core.ledger.transitions import may_start

_ONE = literal_column("1", Integer).label("one")


@dataclass(frozen=True)
class JobLoad:
    """The jobs of some kinds at one moment.

    Args:
        waiting: Number of jobs that wait, counted up to a limit for each kind.
        running: Number of jobs that run on all workers.
        own: Number of those that run on the asking worker.
    """

    waiting: int
    running: int
    own: int


class WorkerLoads:
    """Reads loads with partial indexes; ended jobs cost nothing.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, kinds: Sequence[str], worker: str, most: int) -> JobLoad:
        """Return the load of a worker and of all.

        Args:
            kinds: Names of the kinds that it serves.
            worker: Name of the worker.
            most: Waiting jobs of a kind are counted up to this number.
        """
        with self._database.reading() as connection:
            row = connection.execute(_statement(tuple(kinds)), {"worker": worker, "most": most}).one()
        return JobLoad(row.waiting, row.running, row.own)


@cache
def _statement(kinds: tuple[str, ...]) -> Any:
    counts = [
        select(func.count())
        .select_from(
            select(_ONE)
            .where(JOBS.c.kind == kind, waits_for_dispatch(), may_start())
            .limit(bindparam("most", type_=Integer()))
            .subquery()
        )
        .scalar_subquery()
        for kind in kinds
    ]
    running = select(func.count()).where(in_state(JobState.RUNNING), JOBS.c.kind.in_(kinds))
    own = running.where(JOBS.c.worker == bindparam("worker"))
    return select(
        sum(counts[1:], start=counts[0]).label("waiting"),
        running.scalar_subquery().label("running"),
        own.scalar_subquery().label("own"),
    )
