"""Models of a test's own, served through the whole system: catalogue, ledger, Redis, a worker process."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job
from PIL import Image

from tests.drawn import png
from tests.servers import RedisServer
from tests.worker_process import COMMAND, WorkerProcess

WAIT_S = 180.0


class Serving:
    """A client of a worker that serves a catalogue."""

    def __init__(self, client: Client, settings: Settings, worker: WorkerProcess) -> None:
        self.client = client
        self.settings = settings
        self.worker = worker

    def one(self, kind: str, **parameters: Any) -> Job:
        """A job that has succeeded, alone in the queue."""
        return self.all([{"kind": kind, **parameters}])[0]

    def all(self, requests: Sequence[Mapping[str, Any]]) -> list[Job]:
        """Jobs submitted at once, all of which have succeeded."""
        jobs = self.client.submit_many(requests)
        return [self.client.wait(job.id, timeout_s=WAIT_S).raise_for_state() for job in jobs]


@contextmanager
def serving(
    catalogue: Path,
    redis_server: RedisServer,
    folder: Path,
    *,
    kinds: str,
    models: str,
    by_command: bool = False,
    command: str = COMMAND,
    **settings: Any,
) -> Iterator[Serving]:
    """A worker on `catalogue`, ready, from here to the end.

    Args:
        catalogue: A file of entries.
        redis_server: Emptied first.
        folder: For ledger, artifacts and log.
        kinds: What it serves, with commas between.
        models: Which of the catalogue, likewise.
        by_command: As of `WorkerProcess`.
        command: Likewise.
        **settings: More of `Settings`.
    """
    with redis_server.connect() as connection:
        connection.flushall()
    chosen = Settings(
        redis_url=redis_server.url,
        database_url=f"sqlite:///{folder}/ledger.sqlite3",
        artifacts_url=str(folder / "artifacts"),
        catalogue=catalogue,
        models=models,
        device="cpu",
        **settings,
    )
    # Else whoever looks for the worker would find no tables.
    database = Database(chosen.database_url.get_secret_value())
    database.migrate()
    database.close()
    worker = WorkerProcess(chosen, kinds, folder / "worker.log", by_command=by_command, command=command)
    try:
        worker.wait_ready()
        with Client(settings=chosen) as client:
            yield Serving(client, chosen, worker)
    finally:
        worker.kill()


def requests_for(
    kind: str, model: str, pictures: Sequence[Image.Image], asked: Callable[[str, int], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One for each picture, of the tiny model of that name.

    Args:
        kind: What is asked for.
        model: The name, without `tiny-`.
        pictures: What to look at.
        asked: From name and number to the other parameters.
    """
    return [
        {"kind": kind, "model": f"tiny-{model}", "image": png(picture), **asked(model, index)}
        for index, picture in enumerate(pictures)
    ]
