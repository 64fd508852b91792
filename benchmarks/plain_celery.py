"""The plain Celery contestant: a task with Redis as broker and result backend."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from benchmarks.contestant import Job
from benchmarks.default_redis import DefaultRedis
from benchmarks.program import Program


@dataclass(frozen=True)
class Tuning:
    """How a peer's server is started; None is the default of Celery or of torch.

    Args:
        processes: That hold a model each.
        threads: torch's, in each of them.
    """

    processes: int | None = None
    threads: int | None = None

    def __str__(self) -> str:
        if self.processes is None:
            return "defaults"
        return f"{self.processes} x {self.threads} threads"


@dataclass(frozen=True)
class Work:
    """What a peer does: `paint`, `classify` or `nothing`, and the folder of the model."""

    name: str
    model: Path | None = None

    def environment(self, tuning: Tuning) -> dict[str, str]:
        """As the modules in `benchmarks/peers` read it."""
        threads = {} if tuning.threads is None else {"PEER_THREADS": str(tuning.threads)}
        return {"PEER_WORK": self.name, "PEER_MODEL": str(self.model or ""), **threads}


class PlainCelery:
    """A client of a running worker.

    Args:
        name: Its row in the table.
        url: Its Redis.
        work: Which task it asks for.
    """

    def __init__(self, name: str, url: str, work: Work) -> None:
        self.name = name
        self.programs: list[Program] = []
        self._app = Celery("client", broker=url, backend=url, set_as_current=False)
        self._task = f"benchmarks.peers.plain_celery.{work.name}"
        self._queue = work.name

    def answer(self, job: Job) -> None:
        """Send and wait for the result."""
        self._app.send_task(self._task, (dict(job),), queue=self._queue).get()

    def burst(self, jobs: Sequence[Job]) -> float:
        """Send all, one after another as `delay` does, then wait for all."""
        began = time.perf_counter()
        sent = [self._app.send_task(self._task, (dict(job),), queue=self._queue) for job in jobs]
        for result in sent:
            result.get()
        return time.perf_counter() - began

    def is_up(self) -> bool:
        """Whether a worker answers."""
        return bool(self._app.control.ping(timeout=0.5))

    def close(self) -> None:
        """Close its connections."""
        self._app.close()


@contextmanager
def plain_celery(name: str, folder: Path, work: Work, tuning: Tuning) -> Iterator[PlainCelery]:
    """A Redis and a worker of their own, loaded and warm."""
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "celery", "-A", "benchmarks.peers.plain_celery", "worker", "-Q", work.name]
    if tuning.processes is not None:
        argv += ["-c", str(tuning.processes)]
    with DefaultRedis(folder) as redis:
        client = PlainCelery(name, redis.url, work)
        environment = {"PEER_REDIS_URL": redis.url, **work.environment(tuning)}
        try:
            with Program(argv, folder / "worker.log", client.is_up, environment) as program:
                client.programs = [program]
                yield client
        finally:
            client.close()
