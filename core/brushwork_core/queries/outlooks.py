"""What lies ahead of a job that has not ended: its place, when it may start and end, who could run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.catalogue import TRAINED
from brushwork_schemas.job import Job
from brushwork_schemas.outlook import MOST_COUNTED, Outlook
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker
from sqlalchemy import bindparam, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import JOBS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.queries.queue_snapshot import QueueSnapshot, num_own_before
from brushwork_core.queries.throughput import Throughput
from brushwork_core.queries.ttl_cache import TtlCache
from brushwork_core.timing.timestamps import moment_of

KEEP_S = 1.0
KEEP_PACE_S = 5.0


@dataclass(frozen=True)
class _Ahead:
    """A job's row, with what is known of those around it."""

    row: Any
    throughput: Throughput
    workers: Sequence[SeenWorker]
    position: int | None = None


class Outlooks:
    """Looks ahead. What many jobs share is remembered for about a second; safe to share between threads.

    Args:
        database: Where the tables are.
        fresh_s: A worker that was silent for longer counts as gone; a lease is a good measure.
    """

    def __init__(self, database: Database, *, fresh_s: float = 12.0) -> None:
        self._database = database
        self._fresh_s = fresh_s
        self._lines: dict[str, TtlCache[QueueSnapshot]] = {}
        self._workers = TtlCache(WorkerRegistry(database).workers, KEEP_S)
        self._throughput = TtlCache(self._read_pace, KEEP_PACE_S)

    def of(self, job: Job) -> Outlook | None:
        """What lies ahead of the job; None where it has ended.

        Messages in Redis go first, by priority. Then tenants take turns, each with its own next job: of
        every other tenant, as many go before as of this one. It is an approximation, for a turn may have
        begun, and a job that pauses after an attempt is passed over.
        """
        if job.is_finished:
            return None
        with self._database.reading() as connection:
            row = connection.execute(_ROW, {"job": job.id}).one_or_none()
            if row is None or row.state not in (JobState.QUEUED, JobState.RUNNING):
                return None
            is_in_ledger = row.state == JobState.QUEUED and row.dispatched_at is None
            num_own = num_own_before(connection, row) if is_in_ledger else 0
        serving = self.serving(row.kind, row.model)
        ahead = _Ahead(row, self._throughput.get(), serving, self._position(row, num_own))
        start_ms = _start_ms(ahead)
        return Outlook(
            position=ahead.position,
            estimated_start_at=moment_of(start_ms),
            estimated_end_at=moment_of(_end_ms(ahead, start_ms)),
            servable=bool(serving),
        )

    def line(self, kind: str) -> QueueSnapshot:
        """Who waits for a kind."""
        remembered = self._lines.get(kind)
        if remembered is None:
            remembered = self._lines[kind] = TtlCache(lambda: self._read_line(kind), KEEP_S)
        return remembered.get()

    def serving(self, kind: str, model: str | None = None) -> Sequence[SeenWorker]:
        """The workers that are ready, were heard of lately, and serve a kind and model."""
        return [
            worker
            for worker in self._workers.get()
            if worker.ready
            and worker.silent_s < self._fresh_s
            and kind in worker.kinds
            # What a job has trained, every worker of the kind fetches when it is asked for.
            and (model is None or model in worker.models or model.startswith(TRAINED))
        ]

    def _position(self, row: Any, num_own: int) -> int | None:
        if row.state != JobState.QUEUED:
            return None
        line = self.line(row.kind)
        if row.dispatched_at is not None:
            # It may have got its message since the line was read: then it is the last that has one.
            return line.dispatched.get(row.id, len(line.dispatched))
        return min(MOST_COUNTED, line.num_before(row.tenant, num_own))

    def _read_line(self, kind: str) -> QueueSnapshot:
        with self._database.reading() as connection:
            return QueueSnapshot.read(connection, kind)

    def _read_pace(self) -> Throughput:
        with self._database.reading() as connection:
            return Throughput.read(connection)


_COLUMNS = (
    *("id", "kind", "model", "label", "state", "tenant", "rank", "not_before", "dispatched_at"),
    *("started_at", "progress_step", "progress_total"),
)
_ROW = select(*(JOBS.c[name] for name in _COLUMNS), now_ms().label("now")).where(
    JOBS.c.id == bindparam("job")
)


def _start_ms(ahead: _Ahead) -> float | None:
    row = ahead.row
    if ahead.position is None:
        return float(row.started_at)
    per_s = ahead.throughput.jobs_per_s(row.kind, len(ahead.workers))
    if not per_s or ahead.position >= MOST_COUNTED:
        return None
    return max(float(row.now) + 1000 * ahead.position / per_s, float(row.not_before or 0))


def _end_ms(ahead: _Ahead, start_ms: float | None) -> float | None:
    row = ahead.row
    if row.state == JobState.RUNNING and row.progress_step:
        # Its own steps say it better than others' times.
        a_step_ms = (row.now - row.started_at) / row.progress_step
        return float(row.now + a_step_ms * (row.progress_total - row.progress_step))
    seconds = ahead.throughput.running_s(row.kind, row.model, row.label)
    if start_ms is None or seconds is None or not ahead.workers:
        return None
    return max(start_ms + 1000 * seconds, float(row.now))
