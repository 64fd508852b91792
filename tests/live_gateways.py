"""A gateway that listens: in a thread of the test's own process, or as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx
from brushwork.gateway.application import create_app
from brushwork.gateway.server import server_of
from brushwork.gateway.services import Services
from brushwork.page.pages import PAGE
from brushwork_core.settings.settings import Settings
from prometheus_client import CollectorRegistry

from tests.servers import free_port, wait_until

END_S = 20.0


class Listening:
    """Where a gateway of this process listens, and what it holds.

    Args:
        settings: Its own.
        options: More of uvicorn's.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._app = create_app(settings, PAGE)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = server_of(self._app, settings, **options)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    @property
    def services(self) -> Services:
        """What its routes use."""
        services: Services = self._app.state.services
        return services

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics of this gateway."""
        registry: CollectorRegistry = self._app.state.metrics.registry
        return registry

    def stop(self) -> None:
        """Ask it to stop, and wait for it."""
        self._server.should_exit = True
        self._thread.join(END_S)
        assert not self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started, what="the start of the gateway")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._socket.close()


class GatewayProcess:
    """One life of `brushwork gateway`.

    Args:
        settings: Whose addresses it gets.
    """

    def __init__(self, settings: Settings) -> None:
        self.address = f"http://127.0.0.1:{(port := free_port())}"
        addresses = {
            "BRUSHWORK_REDIS_URL": settings.redis_url.get_secret_value(),
            "BRUSHWORK_DATABASE_URL": settings.database_url.get_secret_value(),
            "BRUSHWORK_ARTIFACTS_URL": settings.artifacts_url,
        }
        # A file, for nobody reads a pipe while it runs, and a full one would stop it.
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the exit
        self.process = subprocess.Popen(
            [sys.executable, "-m", "brushwork", "gateway", "--port", str(port)],
            env={**os.environ, **addresses},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Ask it to stop, wait for it, and return what it said."""
        self.process.send_signal(number)
        self.process.wait(timeout=END_S)
        self._said.seek(0)
        return self._said.read().decode()

    def __enter__(self) -> Self:
        try:
            wait_until(self._answers, bound_s=60, what="the start of brushwork gateway", look_s=0.05)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()

    def _answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return httpx.get(f"{self.address}/healthz").is_success
        except httpx.TransportError:
            return False


class Events:
    """An open event stream, read one event after the other.

    Args:
        response: A streamed answer.
    """

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> dict[str, str] | None:
        """The next one, with `event`, `id` and `data`; None where the stream has ended."""
        event: dict[str, str] = {}
        for line in self._lines:
            if not line and event:
                return event
            name, _, value = line.partition(": ")
            if name:
                event[name] = value
        return None

    def until(self, name: str) -> list[dict[str, str]]:
        """All up to the first of that name."""
        found: list[dict[str, str]] = []
        while (event := self.next()) is not None:
            found.append(event)
            if event["event"] == name:
                return found
        raise AssertionError(f"the stream ended without {name}: {found}")


@contextmanager
def events(address: str, job_id: str, **options: Any) -> Iterator[Events]:
    """The events of a job."""
    url = f"{address}/v1/jobs/{job_id}/events"
    with httpx.stream("GET", url, timeout=END_S, **options) as response:
        yield Events(response)
