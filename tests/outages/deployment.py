"""PostgreSQL, Redis and S3, each behind a proxy that can refuse, and workers with the shipped models."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from brushwork import Client
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings

from tests.chaos import history
from tests.chaos.journal import Journal
from tests.chaos.proxy import Proxy, by_port, port_of, socket_of
from tests.fork_server.client import ForkedProcess, fork_server
from tests.outages.mixed_jobs import KINDS, MODELS
from tests.s3_server import S3Server
from tests.servers import PostgresServer, RedisServer, Server, postgres_programs, wait_until
from tests.worker_process import environment

ENTRY = "tests.outages.noting_worker:run"
NUM_WORKERS, CONCURRENCY = 2, 4
START_S = 120.0
DATABASE = "ledger"


@dataclass(frozen=True)
class Deployment:
    """What `deployed` has started."""

    client: Client
    database: Database
    journal: Journal
    proxies: dict[str, Proxy]
    workers: list[ForkedProcess]


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """A whole deployment with the default settings, from `with` to its end.

    The client is beside the proxies: it is to submit and to look on, whatever the workers cannot reach.

    Args:
        folder: An empty folder.
    """
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError("There is no PostgreSQL here. On Debian: apt-get install postgresql")
    with ExitStack() as stack:
        postgres = _started(stack, PostgresServer(programs))
        redis = _started(stack, RedisServer(folder))
        s3 = _started(stack, S3Server())
        postgres.execute(f"CREATE DATABASE {DATABASE}")
        url = postgres.url(DATABASE)
        proxies = {
            "store": stack.enter_context(Proxy(("127.0.0.1", s3.port))),
            "Redis": stack.enter_context(Proxy(("127.0.0.1", redis.port))),
            "database": stack.enter_context(Proxy(socket_of(url))),
        }
        near, far = s3.bucket(), f"http://127.0.0.1:{proxies['store'].port}"
        os.environ.update(near.environment)
        settings = Settings.load(
            redis_url=redis.url, database_url=url, artifacts_url=near.url, models=",".join(MODELS),
            device="cpu", workers_here=NUM_WORKERS,
        )  # fmt: skip
        database = stack.enter_context(_opened(url))
        client = stack.enter_context(Client(settings=settings))
        distant = settings.overridden(
            redis_url=port_of(redis.url, proxies["Redis"].port),
            database_url=by_port(url, proxies["database"].port),
        )
        variables = {**os.environ, **environment(distant), "AWS_ENDPOINT_URL": far, "OMP_NUM_THREADS": "1"}
        journal = Journal(folder / "journal")
        workers = [_worker(stack, folder, journal, number, variables) for number in range(NUM_WORKERS)]
        _wait_ready(database, folder)
        yield Deployment(client, database, journal, proxies, workers)


def refused(proxy: Proxy, seconds: float, is_over: Callable[[], None]) -> None:
    """Refuse connections for a while, then call `is_over` and admit them again."""
    proxy.refuse()
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, bound_s=seconds + 10, look_s=0.05)
    is_over()
    proxy.admit()


_AnyServer = TypeVar("_AnyServer", bound=Server)


def _started(stack: ExitStack, server: _AnyServer) -> _AnyServer:
    stack.callback(server.stop)
    return server.start()


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        database.migrate()
        history.install(database)
        yield database
    finally:
        database.close()


def _worker(
    stack: ExitStack, folder: Path, journal: Journal, number: int, variables: dict[str, str]
) -> ForkedProcess:
    arguments = [
        "worker",
        f"--kinds={','.join(KINDS)}",
        f"--name=w{number}@here",
        f"--concurrency={CONCURRENCY}",
    ]
    worker = fork_server().start(
        ENTRY,
        {"arguments": arguments, "journal": str(journal.file)},
        log=folder / f"w{number}.log",
        environment=variables,
    )
    stack.callback(worker.kill)
    return worker


def _wait_ready(database: Database, folder: Path) -> None:
    def are_ready() -> bool:
        return sum(worker.ready for worker in WorkerRegistry(database).workers()) == NUM_WORKERS

    wait_until(are_ready, bound_s=START_S, what=f"the start of the workers (logs in {folder})", look_s=0.1)
