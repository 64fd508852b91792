"""How quickly jobs go: measured at those that succeeded lately."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Self

from brushwork_schemas.states import JobState
from sqlalchemy import Connection, select

from brushwork_core.database.tables import JOBS, in_state

# Of all kinds together. A kind that is rare among so many counts as not measured.
MOST_LOOKED_AT = 1000
LATELY = 200


class Throughput:
    """Running times and throughput.

    Args:
        ended: Jobs that succeeded, newest first: rows of kind, model, label, worker, started_at, finished_at.
    """

    def __init__(self, ended: Iterable[Any]) -> None:
        of_kind: dict[str, list[Any]] = defaultdict(list)
        alike: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for row in ended:
            of_kind[row.kind].append(row)
            seconds = max(0, row.finished_at - row.started_at) / 1000
            for of in (("model", row.model), ("label", row.label)):
                alike[row.kind, *of].append(seconds)
        self._a_worker = {kind: _jobs_per_s_of_a_worker(rows[:LATELY]) for kind, rows in of_kind.items()}
        self._running_s = {of: median(seconds[:LATELY]) for of, seconds in alike.items()}

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """As it is now."""
        return cls(connection.execute(_LATELY).all())

    def running_s(self, kind: str, model: str, label: str) -> float | None:
        """How long such a job runs: the median of those with the same label, else of its model."""
        of_model = self._running_s.get((kind, "model", model))
        return self._running_s.get((kind, "label", label), of_model)

    def jobs_per_s(self, kind: str, num_workers: int) -> float | None:
        """How many jobs of a kind so many workers end in a second.

        Only time in which one ran counts, so that an idle night does not make the workers look slow.
        """
        of_a_worker = self._a_worker.get(kind)
        return None if of_a_worker is None else of_a_worker * num_workers


_LATELY = (
    select(*(JOBS.c[name] for name in ("kind", "model", "label", "worker", "started_at", "finished_at")))
    .where(in_state(JobState.SUCCEEDED), JOBS.c.started_at.is_not(None))
    .order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc())
    .limit(MOST_LOOKED_AT)
)


def _jobs_per_s_of_a_worker(rows: Sequence[Any]) -> float | None:
    busy_s = _busy_ms(rows) / 1000
    return len(rows) / busy_s / len({row.worker for row in rows}) if busy_s else None


def _busy_ms(rows: Sequence[Any]) -> int:
    """The time covered by at least one of them."""
    busy, until = 0, 0
    for row in sorted(rows, key=lambda row: row.started_at):
        busy += max(0, row.finished_at - max(row.started_at, until))
        until = max(until, row.finished_at)
    return busy
