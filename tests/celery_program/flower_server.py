"""Flower beside a Celery program, in a process of its own."""

import os
import subprocess
import sys
from typing import Any, Self

import httpx

from tests.celery_program.running import WAIT_S
from tests.servers import free_port, wait_until


class FlowerServer:
    """A running Flower that has heard of the workers of a broker.

    Args:
        broker_url: The broker.
    """

    def __init__(self, broker_url: str) -> None:
        port = free_port()
        options = ["--address=127.0.0.1", f"--port={port}", "--read-only", "--logging=warning"]
        given = {**os.environ, "BROKER_URL": broker_url, "FLOWER_UNAUTHENTICATED_API": "true"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--quiet", "flower", *options], env=given
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def __enter__(self) -> Self:
        try:
            wait_until(self._heard_workers, bound_s=WAIT_S, what="Flower's hearing of the worker")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()
        self._process.kill()
        self._process.wait()

    def tasks(self) -> dict[str, dict[str, Any]]:
        """All tasks that it knows, by their ids."""
        found: dict[str, dict[str, Any]] = self.http.get("/api/tasks").json()
        return found

    def _heard_workers(self) -> list[dict[str, Any]]:
        try:
            heard: list[dict[str, Any]] = self.http.get("/workers", params={"json": "1"}).json()["data"]
        except httpx.TransportError:
            return []
        return [worker for worker in heard if worker.get("status")]
