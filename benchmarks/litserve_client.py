"""The LitServe contestant, which batches requests: run in the environment of the peers, used over HTTP."""

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peers_environment
from benchmarks.contestant import Job
from benchmarks.plain_celery import Tuning, Work
from benchmarks.program import Program
from tests.servers import free_port

MOST_CONNECTIONS = 64


class LitServe:
    """A client of a running server.

    Args:
        name: Its row in the table.
        port: On loopback.
    """

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.programs: list[Program] = []
        self._port = port

    def answer(self, job: Job) -> None:
        """One request on a connection of its own."""
        self._ask([job])

    def burst(self, jobs: Sequence[Job]) -> float:
        """Up to 64 connections at once, each with its share of the jobs one after another."""
        connections = min(len(jobs), MOST_CONNECTIONS)
        began = time.perf_counter()
        with ThreadPoolExecutor(connections) as threads:
            list(threads.map(self._ask, [jobs[first::connections] for first in range(connections)]))
        return time.perf_counter() - began

    def is_up(self) -> bool:
        """Whether the models are loaded."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _ask(self, jobs: Sequence[Job]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            for job in jobs:
                body = json.dumps(dict(job))
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
                if answer.status != http.HTTPStatus.OK:
                    raise RuntimeError(f"{self.name} answered {answer.status}: {content[:200]!r}")
        finally:
            connection.close()


@contextmanager
def litserve(
    name: str, folder: Path, work: Work, tuning: Tuning, unequal: str = "group"
) -> Iterator[LitServe]:
    """A server of its own, loaded and warm."""
    folder.mkdir(parents=True)
    client = LitServe(name, free_port())
    argv = [str(peers_environment.PYTHON), "-m", "benchmarks.peers.litserve_server"]
    argv += ["--port", str(client._port), "--processes", str(tuning.processes or 1), "--unequal", unequal]
    with Program(argv, folder / "server.log", client.is_up, work.environment(tuning)) as program:
        client.programs = [program]
        yield client
