"""A stack whose worker does nothing: the Redis that `brushwork up` runs, a ledger, and a worker beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_server import answers, redis_server
from brushwork_schemas.database import Database
from brushwork_schemas.settings import Settings

from benchmarks.brushwork_queue import Queue
from benchmarks.program import Program


@contextmanager
def empty_stack(
    name: str, folder: Path, concurrency: int, database_url: str | None = None
) -> Iterator[Queue]:
    """A contestant for jobs that do nothing; its ledger is SQLite unless another address is given."""
    data = DataFolder(folder)
    data.create()
    redis, redis_url = redis_server(data)
    addresses = {
        "BRUSHWORK_REDIS_URL": redis_url,
        "BRUSHWORK_DATABASE_URL": database_url or f"sqlite:///{data.ledger}",
        "BRUSHWORK_ARTIFACTS_URL": str(data.artifacts),
    }
    _migrate(addresses["BRUSHWORK_DATABASE_URL"])
    argv = [sys.executable, "-m", "benchmarks.empty_worker", "--concurrency", str(concurrency)]
    settings = Settings.load(
        redis_url=redis_url,
        database_url=addresses["BRUSHWORK_DATABASE_URL"],
        artifacts_url=addresses["BRUSHWORK_ARTIFACTS_URL"],
    )
    with Program(redis.argv, data.logs / "redis.log", lambda: answers(redis_url)):
        queue = Queue(settings, {"kind": "text-to-image"}, name)
        try:
            with Program(argv, data.logs / "worker.log", lambda: _is_ready(queue), addresses):
                yield queue
        finally:
            queue.close()


def _is_ready(queue: Queue) -> bool:
    return any(worker.ready for worker in queue.client.workers())


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()
