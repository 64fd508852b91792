"""Outlooks of open jobs: position, estimated start and end, and whether a worker can run them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.catalogue import TRAINED
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.request import method_of
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.outlook import MOST_COUNTED, Outlook
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import SeenWorker
from sqlalchemy import bindparam, select

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import ARTIFACTS, JOBS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.queue_snapshot import QueueSnapshot, num_own_before
from brushwork_core.queries.throughput import Throughput
from brushwork_core.queries.ttl_cache import TtlCache
from brushwork_core.timing.timestamps import moment_of

KEEP_S = 1.0
KEEP_THROUGHPUT_S = 5.0


@dataclass(frozen=True)
class _Ahead:
    """A row of a job, with the values that its estimate needs."""

    row: Any
    throughput: Throughput
    workers: Sequence[SeenWorker]
    position: int | None = None
    num_calls: int = 0


class Outlooks:
    """Computes outlooks. Values that many jobs share are cached for about a second. Thread-safe.

    Args:
        database: Database of the ledger.
        fresh_s: Seconds without a heartbeat after which a worker counts as gone, such as the lease.
    """

    def __init__(self, database: Database, *, fresh_s: float = 12.0) -> None:
        self._database = database
        self._index = JobIndex(database)
        self._fresh_s = fresh_s
        self._queues: dict[str, TtlCache[QueueSnapshot]] = {}
        self._workers = TtlCache(WorkerRegistry(database).workers, KEEP_S)
        self._throughput = TtlCache(self._read_throughput, KEEP_THROUGHPUT_S)

    def of(self, job: Job) -> Outlook | None:
        """Return the outlook of a job; None if it has ended.

        Messages in Redis are first, by priority. Then tenants take turns: before this job, each other tenant
        has as many jobs as this tenant. It is an approximation, because a turn may have begun, and a job that
        pauses after an attempt is skipped.
        """
        if job.is_finished:
            return None
        with self._database.reading() as connection:
            row = connection.execute(_ROW, {"job": job.id}).one_or_none()
        return None if row is None else self._of(job, row)

    def get(self, job_id: str) -> tuple[Job, Outlook | None]:
        """Return a job with its outlook, by one query. The result is that of `JobIndex.get` and `of`.

        Raises:
            JobNotFound: No job has this id.
        """
        job, row = self._index.with_row(job_id, _PLACE)
        return job, self._of(job, row)

    def _of(self, job: Job, row: Any) -> Outlook | None:
        if row.state not in (JobState.QUEUED, JobState.RUNNING):
            return None
        serving = self.serving(row.kind, row.model)
        ahead = _Ahead(row, self._throughput.get(), serving, self._position(row), self._num_calls(job))
        start_ms = _start_ms(ahead)
        return Outlook(
            position=ahead.position,
            estimated_start_at=moment_of(start_ms),
            estimated_end_at=moment_of(_end_ms(ahead, start_ms)),
            num_calls=ahead.num_calls,
            servable=bool(serving),
            num_workers=len(self.serving(row.kind)),
        )

    def _num_calls(self, job: Job) -> int:
        if method_of(job.request) is None:
            return 0
        # Few jobs ask for an explanation, so only these cost another query.
        picture = kind_named(job.kind).main_picture(job.request)
        with self._database.reading() as connection:
            size = connection.execute(_SIZE, {"sha256": picture}).one_or_none()
        return num_calls(job.request, *(size or (0, 0)))

    def queue(self, kind: str) -> QueueSnapshot:
        """Return the queue of a kind."""
        cached = self._queues.get(kind)
        if cached is None:
            cached = self._queues[kind] = TtlCache(lambda: self._read_queue(kind), KEEP_S)
        return cached.get()

    def serving(self, kind: str, model: str | None = None) -> Sequence[SeenWorker]:
        """Return the ready workers with a recent heartbeat that serve a kind and model."""
        return [
            worker
            for worker in self._workers.get()
            if worker.ready
            and worker.silent_s < self._fresh_s
            and kind in worker.kinds
            # Every worker of the kind can fetch a trained model.
            and (model is None or model in worker.models or model.startswith(TRAINED))
        ]

    def _position(self, row: Any) -> int | None:
        if row.state != JobState.QUEUED:
            return None
        queue = self.queue(row.kind)
        if row.dispatched_at is not None:
            # It may have got its message after the queue was read. Then it is the last one with a message.
            return queue.dispatched.get(row.id, len(queue.dispatched))
        return min(MOST_COUNTED, queue.num_before(row.tenant, row.num_own))

    def _read_queue(self, kind: str) -> QueueSnapshot:
        with self._database.reading() as connection:
            return QueueSnapshot.read(connection, kind)

    def _read_throughput(self) -> Throughput:
        with self._database.reading() as connection:
            return Throughput.read(connection)


_COLUMNS = (
    *("id", "kind", "model", "label", "state", "tenant", "rank", "not_before", "dispatched_at"),
    *("started_at", "progress_step", "progress_total"),
)
_PLACE = (now_ms().label("now"), num_own_before().label("num_own"))
_ROW = select(*(JOBS.c[name] for name in _COLUMNS), *_PLACE).where(JOBS.c.id == bindparam("job"))

_SIZE = select(ARTIFACTS.c.width, ARTIFACTS.c.height).where(ARTIFACTS.c.sha256 == bindparam("sha256"))


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
        # The job's own steps give a better estimate than the times of other jobs.
        a_step_ms = (row.now - row.started_at) / row.progress_step
        return float(row.now + a_step_ms * (row.progress_total - row.progress_step))
    seconds = ahead.throughput.running_s(row.kind, row.model, row.label, num_calls=ahead.num_calls)
    if start_ms is None or seconds is None or not ahead.workers:
        return None
    return max(start_ms + 1000 * seconds, float(row.now))
