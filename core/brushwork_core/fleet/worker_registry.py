"""The workers that are there: who, what they serve, whether they are ready, when they were last heard of."""

import os
import socket

from brushwork_schemas.worker import SeenWorker, WorkerEntry
from sqlalchemy import delete, select, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import WORKERS
from brushwork_core.fleet.process_liveness import here, is_gone


def full_name(name: str | None) -> str:
    """What a worker is called: `name@host`, where `name` has no host yet; with its number if it has none."""
    name = name or f"brushwork-{os.getpid()}"
    return name if "@" in name else f"{name}@{socket.gethostname()}"


_PROCESS = ("host", "pid", "pid_started_at")


class WorkerRegistry:
    """Keeps the list of workers.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, worker: WorkerEntry) -> None:
        """Enter or change a worker."""
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
        """Strike a worker off."""
        with self._database.writing() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.name == name))

    def forget(self, silent_s: float) -> None:
        """Strike off all that were not heard of for so long."""
        with self._database.writing() as connection:
            connection.execute(delete(WORKERS).where(WORKERS.c.seen_at < now_ms() - round(silent_s * 1000)))

    def dead_here(self) -> list[str]:
        """Workers of this machine whose process has ended without leaving."""
        columns = (WORKERS.c.name, *(WORKERS.c[name] for name in _PROCESS))
        local = select(*columns).where(WORKERS.c.host == here())
        with self._database.reading() as connection:
            rows = connection.execute(local).all()
        return [row.name for row in rows if is_gone(row.host, row.pid, row.pid_started_at)]

    def named(self, name: str) -> list[SeenWorker]:
        """The lives of the worker that people call `name`."""
        return [seen for seen in self.workers() if seen.name.rsplit("/", 1)[0] == name]

    def others_serve(self, kind: str, but: str, within_s: float) -> bool:
        """Whether another worker that serves `kind` is ready and was heard of so lately."""
        return any(
            seen.ready and kind in seen.kinds and seen.name != but and seen.silent_s < within_s
            for seen in self.workers()
        )

    def workers(self) -> list[SeenWorker]:
        """All of them, longest-serving first."""
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
