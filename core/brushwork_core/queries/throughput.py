"""Throughput, measured on jobs that succeeded recently."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Self

from brushwork_schemas.states import JobState
from sqlalchemy import Connection, select

from brushwork_core.database.tables import JOBS, in_state

# Of all kinds together. A kind without a job among these counts as not measured.
MOST_READ = 1000
MOST_MEASURED = 200


class Throughput:
    """Running times of jobs, and jobs per second.

    Args:
        ended: Rows of succeeded jobs, the newest first: kind, model, label, worker, started_at, finished_at.
    """

    def __init__(self, ended: Iterable[Any]) -> None:
        of_kind: dict[str, list[Any]] = defaultdict(list)
        alike: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for row in ended:
            of_kind[row.kind].append(row)
            seconds = max(0, row.finished_at - row.started_at) / 1000
            for of in (("model", row.model), ("label", row.label)):
                alike[row.kind, *of].append(seconds)
        recent = {kind: rows[:MOST_MEASURED] for kind, rows in of_kind.items()}
        self._per_worker = {kind: _jobs_per_s_of_one_worker(rows) for kind, rows in recent.items()}
        self._running_s = {of: median(seconds[:MOST_MEASURED]) for of, seconds in alike.items()}

    @classmethod
    def read(cls, connection: Connection) -> Self:
        """Measure the recent jobs of the ledger."""
        return cls(connection.execute(_RECENT).all())

    def running_s(self, kind: str, model: str, label: str, *, num_calls: int = 0) -> float | None:
        """Return the median running time in seconds of jobs with this label, else of this model.

        Args:
            kind: Kind of the jobs.
            model: Name of their model.
            label: Label of the jobs, which tells whether they are explained.
            num_calls: Extra calls of the job. The time of the model stands for one call.
        """
        alike = self._running_s.get((kind, "label", label))
        of_model = self._running_s.get((kind, "model", model))
        if alike is not None or of_model is None:
            return alike
        return of_model * (1 + num_calls)

    def jobs_per_s(self, kind: str, num_workers: int) -> float | None:
        """Return the jobs of a kind that `num_workers` workers finish per second.

        Only time with running jobs counts, so that idle time does not lower the result.
        """
        per_worker = self._per_worker.get(kind)
        return None if per_worker is None else per_worker * num_workers


_RECENT = (
    select(*(JOBS.c[name] for name in ("kind", "model", "label", "worker", "started_at", "finished_at")))
    .where(in_state(JobState.SUCCEEDED), JOBS.c.started_at.is_not(None))
    .order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc())
    .limit(MOST_READ)
)


def _jobs_per_s_of_one_worker(rows: Sequence[Any]) -> float | None:
    busy_s = _busy_ms(rows) / 1000
    return len(rows) / busy_s / len({row.worker for row in rows}) if busy_s else None


def _busy_ms(rows: Sequence[Any]) -> int:
    """Milliseconds in which at least one job ran."""
    busy, until = 0, 0
    for row in sorted(rows, key=lambda row: row.started_at):
        busy += max(0, row.finished_at - max(row.started_at, until))
        until = max(until, row.finished_at)
    return busy
