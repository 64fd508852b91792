"""The registry of workers: names, kinds, models, readiness, and the time of the last heartbeat."""

import os
import socket

from brushwork_schemas.worker import SeenWorker, WorkerEntry
from sqlalchemy import delete, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import WORKERS
from brushwork_core.fleet.process_liveness import here, is_gone


def full_name(name: str | None) -> str:
    """Return the full name of a worker, `name@host`.

    Args:
        name: Name with or without a host; None for a name with the process id.
    """
    name = name or f"brushwork-{os.getpid()}"
    return name if "@" in name else f"{name}@{socket.gethostname()}"


_PROCESS = ("host", "pid", "pid_started_at")


class WorkerRegistry:
    """Stores the list of workers.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, worker: WorkerEntry) -> None:
        """Insert or update a worker, with a heartbeat now."""
        columns = {
            "kinds": list(worker.kinds),
            "models": list(worker.models),
            "device": worker.device,
            "ready": worker.ready,
            "batching": dict(worker.batching),
            **{name: getattr(worker, name) for name in _PROCESS},
        }
        with self._database.writing() as connection:
            changed = connection.execute(
                update(WORKERS).where(WORKERS.c.name == worker.name).values(seen_at=now_ms(), **columns)
            )
            if not changed.rowcount:
                connection.execute(
                    WORKERS.insert().values(
                        name=worker.name, started_at=now_ms(), seen_at=now_ms(), **columns
                    )
                )

    def leave(self, name: str) -> None:
        """Remove a worker."""
        with self._database.writing() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.name == name))

    def forget(self, silent_s: float) -> None:
        """Remove all workers without a heartbeat for `silent_s` seconds."""
        with self._database.writing() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.seen_at < now_ms() - round(silent_s * 1000)))

    def dead_here(self) -> list[str]:
        """Return workers of this machine whose process has ended without `leave`."""
        columns = (WORKERS.c.name, *(WORKERS.c[name] for name in _PROCESS))
        local = select(*columns).where(WORKERS.c.host == here())
        with self._database.reading() as connection:
            rows = connection.execute(local).all()
        return [row.name for row in rows if is_gone(row.host, row.pid, row.pid_started_at)]

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
        statement = select(WORKERS, ((now_ms() - WORKERS.c.seen_at) / 1000.0).label("silent_s")).order_by(
            WORKERS.c.started_at
        )
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings().all()
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
            )
            for row in rows
        ]
