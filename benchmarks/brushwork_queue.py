"""brushwork as a contestant: a whole stack as `brushwork up` starts it, and the client that everyone uses."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brushwork.client import Client
from brushwork_schemas.settings import ENV_FILE, Settings

from benchmarks.contestant import Job
from benchmarks.program import Program


class Queue:
    """A client of a running stack; a job is done once its result is in the ledger.

    Args:
        settings: Where the stack is.
        asked: What all its jobs ask for: the kind, and the model if it is not the default.
        name: Its row in the table.
    """

    def __init__(self, settings: Settings, asked: Mapping[str, Any], name: str = "brushwork") -> None:
        self.name = name
        self.client = Client(settings=settings)
        self._asked = dict(asked)

    def answer(self, job: Job) -> None:
        """Submit and wait."""
        submitted = self.client.submit_many([{**job, **self._asked}])[0]
        self.client.wait(submitted.id).raise_for_state()

    def burst(self, jobs: Sequence[Job]) -> float:
        """From before the submit to the last `finished_at` in the ledger."""
        # The ledger's times are those of this machine's clock, which perf_counter does not read.
        began = time.time()
        submitted = self.client.submit_many([{**job, **self._asked} for job in jobs])
        for job in reversed(submitted):
            self.client.wait(job.id)
        ended = [job.raise_for_state().finished_at for job in self.client.list(limit=len(jobs))]
        return max(moment.timestamp() for moment in ended if moment) - began

    def close(self) -> None:
        """Close its connections."""
        self.client.close()


@contextmanager
def brushwork_up(
    folder: Path, asked: Mapping[str, Any], *, concurrency: int, environment: Mapping[str, str]
) -> Iterator[Queue]:
    """`brushwork up` on a new data folder: Redis with its append-only file, SQLite, files, one worker."""
    argv = [sys.executable, "-m", "brushwork", "up", "--data", str(folder), "--no-flower"]
    argv += ["--kinds", asked["kind"], "--concurrency", str(concurrency)]
    env_file = folder / ENV_FILE
    with Program(argv, folder.with_name(f"{folder.name}.log"), env_file.is_file, environment):
        # A client checks what it submits by the same catalogue as the worker.
        catalogue = environment.get("BRUSHWORK_CATALOGUE")
        queue = Queue(Settings(_env_file=env_file, catalogue=catalogue), asked)
        try:
            yield queue
        finally:
            queue.close()
