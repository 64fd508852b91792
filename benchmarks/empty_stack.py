"""A stack whose worker does nothing: the Redis server of `brushwork up`, a ledger and a worker."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.redis_server import answers, redis_server
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from benchmarks.brushwork_queue import NO_LIMIT_OF_PAUSES, Queue
from benchmarks.program import Program


@contextmanager
def empty_stack(
    name: str, folder: Path, workers: int, concurrency: int, database_url: str | None = None
) -> Iterator[Queue]:
    """A contestant for jobs that do nothing.

    Args:
        name: Its row in the table.
        folder: For its data.
        workers: Worker processes.
        concurrency: Jobs at once, of all workers together.
        database_url: By default SQLite.
    """
    data = DataFolder(folder)
    data.create()
    redis, redis_url = redis_server(data)
    addresses = {
        "BRUSHWORK_REDIS_URL": redis_url,
        "BRUSHWORK_DATABASE_URL": database_url or f"sqlite:///{data.ledger}",
        "BRUSHWORK_ARTIFACTS_URL": str(data.artifacts),
        **NO_LIMIT_OF_PAUSES,
    }
    _migrate(addresses["BRUSHWORK_DATABASE_URL"])
    argv = [sys.executable, "-m", "benchmarks.empty_worker", "--concurrency", str(concurrency // workers)]
    settings = Settings.load(
        redis_url=redis_url,
        database_url=addresses["BRUSHWORK_DATABASE_URL"],
        artifacts_url=addresses["BRUSHWORK_ARTIFACTS_URL"],
    )
    with Program(redis.argv, data.logs / "redis.log", lambda: answers(redis_url)):
        queue = Queue(settings, {"kind": "text-to-image"}, name)
        try:
            with ExitStack() as stack:
                for index in range(workers):
                    log, is_up = data.logs / f"worker-{index}.log", partial(_are_ready, queue, index + 1)
                    queue.programs.append(stack.enter_context(Program(argv, log, is_up, addresses)))
                yield queue
        finally:
            queue.close()


def _are_ready(queue: Queue, count: int) -> bool:
    return sum(worker.ready for worker in queue.client.workers()) >= count


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()
