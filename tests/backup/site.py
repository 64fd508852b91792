"""A deployment to back up, and one to restore to: Redis, a database, a store, workers and a client."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings
from sqlalchemy import func, select

from tests.chaos.nursery import ENTRY, plain
from tests.chaos.stack import QUICK
from tests.clients import png
from tests.fork_server.client import ForkedProcess, ForkServer
from tests.servers import RedisServer, wait_until

KINDS = ("text-to-image", "image-classification")
MODELS = "scripted,pocket-classifier"
# Each picture takes a quarter of a second, so that jobs run and wait while the copies are made.
PAINTED = "steps=5 pause=0.05"
CATALOGUE = """
[models.scripted]
family = "stable-diffusion"
source = { packaged = "pocket-diffusion" }
defaults = { width = 16, height = 16, num_inference_steps = 4, guidance_scale = 1.0 }
"""
START_S, END_S = 120.0, 600.0


class Site:
    """A deployment, from `with` to its end. Its Redis is empty at the start.

    Args:
        folder: Empty; its logs lie there.
        server: Forks its workers.
        database_url: Its database, with tables.
        artifacts_url: Its store. If it is on S3, the environment says how to reach it.
        name: Begins the names of its workers.
    """

    def __init__(
        self, folder: Path, server: ForkServer, *, database_url: str, artifacts_url: str, name: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "models.toml").write_text(CATALOGUE, "utf-8")
        self._folder, self._server, self._name = folder, server, name
        self._redis = RedisServer(folder)
        self.settings = Settings.load(
            **{
                **QUICK,
                # Nothing hangs here; on a busy machine even a quick step may take seconds.
                "stall_s": 120.0,
                "frozen_s": 120.0,
                "redis_url": self._redis.url,
                "database_url": database_url,
                "artifacts_url": artifacts_url,
                "catalogue": str(folder / "models.toml"),
                "models": MODELS,
            }
        )
        self._workers: list[ForkedProcess] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.callback(self._redis.stop)
            self._redis.start()
            self.database = Database(self.settings.database_url.get_secret_value())
            opening.callback(self.database.close)
            self.client = opening.enter_context(Client(settings=self.settings))
            opening.callback(self.kill_workers)
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def start_workers(self, number: int) -> None:
        """Start workers and wait until they are ready."""
        # A worker reads the settings of S3 from its environment.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("BRUSHWORK_", "CELERY_"))
        }
        for index in range(number):
            arguments = {
                "settings": plain(self.settings), "name": f"{self._name}{index}@here", "kinds": list(KINDS),
                "concurrency": 2, "journal": str(self._folder / "journal"), "clock_ahead_s": 0.0,
            }  # fmt: skip
            log = self._folder / f"worker-{index}.log"
            self._workers.append(self._server.start(ENTRY, arguments, log=log, environment=environment))
        registry = WorkerRegistry(self.database)
        wait_until(
            lambda: sum(w.ready and w.name.startswith(self._name) for w in registry.workers()) == number,
            bound_s=START_S,
            what="the start of the workers",
            look_s=0.05,
        )

    def kill_workers(self) -> None:
        """`kill -9` for all: the site is lost."""
        for worker in self._workers:
            worker.send_signal(signal.SIGKILL)
        for worker in self._workers:
            worker.wait(timeout=30)
        self._workers = []

    def states(self) -> Counter[str]:
        """How many jobs are in which state."""
        with self.database.reading() as connection:
            counted = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
            return Counter({row[0]: row[1] for row in connection.execute(counted)})

    def settle(self) -> None:
        """Wait until no job is open."""
        wait_until(
            lambda: not self.states().keys() & {"queued", "running"},
            bound_s=END_S,
            what="the end of all jobs",
            look_s=0.1,
        )


class Load:
    """Submits jobs of two kinds all the time, from `with` to its end.

    Args:
        client: Of the site.
        per_second: Jobs in a second.
    """

    def __init__(self, client: Client, per_second: float) -> None:
        self._client, self._pause_s = client, 2 / per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._submit)
        self._errors: list[Exception] = []
        self.num_jobs = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the load; raise what a submit raised."""
        self._over.set()
        self._thread.join()
        if self._errors:
            raise self._errors[0]

    def _submit(self) -> None:
        try:
            for request in self._requests():
                self._client.submit_many([request])
                self.num_jobs += 1
                if self._over.wait(self._pause_s / 2):
                    return
        except Exception as error:
            self._errors.append(error)

    def _requests(self) -> Iterator[dict[str, object]]:
        number = 0
        while True:
            yield {"kind": KINDS[0], "prompt": PAINTED}
            yield {"kind": KINDS[1], "image": png(f"#{number % 4096:03x}"), "model": "pocket-classifier"}
            number += 1


def ids_of(database: Database, states: Sequence[str]) -> list[str]:
    """The jobs in these states, oldest first."""
    with database.reading() as connection:
        found = select(JOBS.c.id).where(JOBS.c.state.in_(states)).order_by(JOBS.c.id)
        return list(connection.execute(found).scalars())
