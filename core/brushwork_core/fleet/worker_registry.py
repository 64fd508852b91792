"""The registry of workers: names, kinds, models, readiness, and the time of the last heartbeat."""

import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.worker import SeenWorker, WorkerEntry
from sqlalchemy import Connection, delete, func, literal, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import JOBS, MAINTENANCE_LEASES, WORKERS, in_state
from brushwork_core.fleet.process_liveness import here, is_gone


def full_name(name: str | None) -> str:
    """Return the full name of a worker, `name@host`.

    Args:
        name: Name with or without a host; None for a name with the process id.
    """
    name = name or f"brushwork-{os.getpid()}"
    return name if "@" in name else f"{name}@{socket.gethostname()}"


class WorkerNameInUse(InvalidRequest):
    """Another process has the name of this worker. Two workers of one name would take each other's jobs."""

    code = "worker_name_in_use"


_PROCESS = ("host", "pid", "pid_started_at")


@dataclass(frozen=True)
class BeatReply:
    """What a worker learns from its heartbeat, without a further statement.

    Args:
        num_leased: Number of jobs that the ledger counts as running on this worker.
        num_here: Number of workers of this machine in the registry.
        newest_here_ms: When the newest of them started, in milliseconds since 1970.
        is_led: Whether some worker has the maintenance lease.
    """

    num_leased: int
    num_here: int
    newest_here_ms: int
    is_led: bool


@dataclass(frozen=True)
class WorkerProcessId:
    """The process of a worker of this machine."""

    name: str
    host: str
    pid: int
    pid_started_at: float

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended."""
        return is_gone(self.host, self.pid, self.pid_started_at)


class WorkerRegistry:
    """Stores the list of workers.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, worker: WorkerEntry) -> None:
        """Insert or update a worker, with a heartbeat now."""
        if not self.renew(worker):
            with self._database.writing() as connection:
                _insert(connection, worker)

    def renew(self, worker: WorkerEntry) -> bool:
        """Update a worker, with a heartbeat now.

        Returns:
            Whether the registry still has it: a worker without heartbeats is removed.
        """
        mine = update(WORKERS).where(WORKERS.c.name == worker.name)
        with self._database.writing() as connection:
            return bool(connection.execute(mine.values(seen_at=now_ms(), **_columns(worker))).rowcount)

    def beat(self, worker: WorkerEntry, *, next_s: float, lease: str) -> BeatReply | None:
        """Update a worker, with a heartbeat now, and return what it has to know. One statement.

        Args:
            worker: The worker.
            next_s: Seconds until its next heartbeat. Others wait for three of these intervals.
            lease: Name of the maintenance lease.

        Returns:
            None if the registry has removed it.
        """
        values = {"seen_at": now_ms(), "beat_ms": round(1000 * next_s), **_columns(worker)}
        beaten = update(WORKERS).where(WORKERS.c.name == worker.name).values(values)
        with self._database.writing() as connection:
            row = connection.execute(beaten.returning(*_reply_columns(worker, lease))).one_or_none()
        return None if row is None else BeatReply(row[0], row[1], row[2], bool(row[3]))

    def reserve(self, worker: WorkerEntry, *, may_live: Callable[[SeenWorker], bool]) -> None:
        """Insert a worker if no other one has its full name, the part of the name before the last slash.

        Args:
            worker: The worker.
            may_live: Whether another worker of this full name keeps it.

        Raises:
            WorkerNameInUse: Another worker keeps the name.
        """
        full, _, _ = worker.name.rpartition("/")
        with self._database.writing() as connection:
            _lock_name(connection, full)
            others = [seen for seen in _workers(connection) if seen.name.rpartition("/")[0] == full]
            for seen in others:
                if may_live(seen):
                    raise name_in_use(seen)
            _insert(connection, worker)

    def leave(self, name: str) -> None:
        """Remove a worker."""
        with self._database.writing() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.name == name))

    def forget(self, silent_s: float) -> None:
        """Remove all workers without a heartbeat for `silent_s` seconds."""
        is_silent = WORKERS.c.seen_at < now_ms() - round(silent_s * 1000)
        with self._database.reading() as connection:
            names = connection.execute(select(WORKERS.c.name).where(is_silent)).scalars().all()
        if names:
            with self._database.writing() as connection:
                connection.execute(delete(WORKERS).where(WORKERS.c.name.in_(names), is_silent))

    def processes_here(self) -> Sequence[WorkerProcessId]:
        """Return the processes of the workers of this machine."""
        columns = (WORKERS.c.name, *(WORKERS.c[name] for name in _PROCESS))
        local = select(*columns).where(WORKERS.c.host == here())
        with self._database.reading() as connection:
            return [WorkerProcessId(*row) for row in connection.execute(local)]

    def dead_here(self) -> list[str]:
        """Return workers of this machine whose process has ended without `leave`."""
        return [process.name for process in self.processes_here() if process.is_gone]

    def named(self, name: str) -> list[SeenWorker]:
        """Return all workers with this full name; each start of a worker is an entry of its own."""
        return [seen for seen in self.workers() if seen.name.rsplit("/", 1)[0] == name]

    def others_serve(self, kind: str, but: str, within_s: float, model: str | None = None) -> bool:
        """Return whether another ready worker serves `kind`, with a heartbeat within `within_s` seconds.

        Args:
            kind: Kind of the jobs.
            but: Name of the worker that does not count.
            within_s: Longest silence in seconds.
            model: The worker must list this model, too, if it is given.
        """
        return any(
            seen.ready
            and kind in seen.kinds
            and seen.name != but
            and seen.silent_s < within_s
            and (model is None or model in seen.models)
            for seen in self.workers()
        )

    def workers(self) -> list[SeenWorker]:
        """Return all workers, the oldest first."""
        with self._database.reading() as connection:
            return _workers(connection)


def name_in_use(seen: SeenWorker) -> WorkerNameInUse:
    """Return the error for a name that a running worker has."""
    return WorkerNameInUse(
        said(
            "A worker named {name} is running: process {pid}, last heartbeat {silent_s:.1f} s ago.",
            name=seen.name.rpartition("/")[0],
            pid=seen.pid,
            silent_s=seen.silent_s,
        ),
        field="name",
        hint="Give each worker a different --name, or none.",
    )


def _columns(worker: WorkerEntry) -> dict[str, Any]:
    return {
        "kinds": list(worker.kinds),
        "models": list(worker.models),
        "device": worker.device,
        "ready": worker.ready,
        "batching": dict(worker.batching),
        **{name: getattr(worker, name) for name in _PROCESS},
    }


def _reply_columns(worker: WorkerEntry, name: str) -> Sequence[Any]:
    others, lease = WORKERS.alias(), MAINTENANCE_LEASES.c
    here_too = others.c.host == worker.host
    leased = select(func.count()).select_from(JOBS).where(JOBS.c.worker == worker.name)
    led = select(func.count()).where(lease.name == name, lease.expires_at > now_ms())
    return [
        leased.where(in_state(JobState.RUNNING)).scalar_subquery(),
        select(func.count()).select_from(others).where(here_too).scalar_subquery(),
        select(func.coalesce(func.max(others.c.started_at), literal(0))).where(here_too).scalar_subquery(),
        led.scalar_subquery(),
    ]


def _insert(connection: Connection, worker: WorkerEntry) -> None:
    connection.execute(
        WORKERS.insert().values(name=worker.name, started_at=now_ms(), seen_at=now_ms(), **_columns(worker))
    )


def _lock_name(connection: Connection, name: str) -> None:
    """Let one process at a time look at a name and take it, until the end of the transaction."""
    # SQLite has one writer anyway.
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(f"worker {name}".encode()).digest()[:8], signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def _workers(connection: Connection) -> list[SeenWorker]:
    silent_s = ((now_ms() - WORKERS.c.seen_at) / 1000.0).label("silent_s")
    rows = connection.execute(select(WORKERS, silent_s).order_by(WORKERS.c.started_at)).mappings().all()
    return [
        SeenWorker(
            name=row["name"],
            kinds=tuple(row["kinds"]),
            models=tuple(row["models"]),
            device=row["device"],
            ready=row["ready"],
            batching=row["batching"],
            **{name: row[name] for name in _PROCESS},
            silent_s=max(0.0, float(row["silent_s"])),
            beat_s=None if row["beat_ms"] is None else row["beat_ms"] / 1000,
        )
        for row in rows
    ]
