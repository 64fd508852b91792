"""How quickly jobs go: measured at those that succeeded lately."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Self

from sqlalchemy import Connection, select

from brushwork_schemas.states import JobState
from brushwork_schemas.tables import JOBS, in_state

# Of all kinds together. A kind that is rare among so many counts as not measured.
MOST_LOOKED_AT = 1000
LATELY = 200


class Pace:
    """Running times and throughput.

    Args:
        ended: Jobs that succeeded, newest first: rows of kind, model, label, worker, started_at, finished_at.
    """

    def __init__(self, ended: Iterable[Any]) -> None:
        self._of_kind: dict[str, list[Any]] = defaultdict(list)
        self._of_model: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._of_label: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in ended:
            seconds = max(0, row.finished_at - row.started_at) / 1000
            self._of_kind[row.kind].append(row)
            self._of_model[row.kind, row.model].append(seconds)
            self._of_label[row.kind, row.label].append(seconds)

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """As it is now."""
        return cls(connection.execute(_LATELY).all())

    def running_s(self, kind: str, model: str, label: str) -> float | None:
        """How long such a job runs: the median of those with the same label, else of its model."""
        alike = self._of_label.get((kind, label)) or self._of_model.get((kind, model))
        return median(alike[:LATELY]) if alike else None

    def jobs_per_s(self, kind: str, num_workers: int) -> float | None:
        """How many jobs of a kind so many workers end in a second.

        Only time in which one ran counts, so that an idle night does not make the workers look slow.
        """
        rows = self._of_kind.get(kind, ())[:LATELY]
        busy_s = _busy_ms(rows) / 1000
        if not busy_s:
            return None
        return len(rows) / busy_s * num_workers / len({row.worker for row in rows})


_LATELY = (
    select(*(JOBS.c[name] for name in ("kind", "model", "label", "worker", "started_at", "finished_at")))
    .where(in_state(JobState.SUCCEEDED), JOBS.c.started_at.is_not(None))
    .order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc())
    .limit(MOST_LOOKED_AT)
)


def _busy_ms(rows: Sequence[Any]) -> int:
    """The time covered by at least one of them."""
    busy, until = 0, 0
    for row in sorted(rows, key=lambda row: row.started_at):
        busy += max(0, row.finished_at - max(row.started_at, until))
        until = max(until, row.finished_at)
    return busy
