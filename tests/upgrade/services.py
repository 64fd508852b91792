"""The services of a deployment, each in the version that it has at the moment."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.settings.settings import Settings

from tests.fresh_environment import Environment
from tests.receivers import SECRET
from tests.servers import free_port, wait_until
from tests.worker_process import environment

START_S = 600.0
STOP_S = 150.0


class Service:
    """A command of brushwork that runs until it is stopped.

    Args:
        name: Its name; the log file has it.
        arguments: Arguments of `brushwork`.
        settings: Its settings.
        folder: For its log.
        is_ready: Whether the process with this id takes work.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Settings,
        folder: Path,
        is_ready: "Callable[[Service], bool]",
    ) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._arguments = arguments
        self._settings = settings
        self._is_ready = is_ready
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, version: Environment, *more: str) -> "Service":
        """Start it in this version, and wait until it takes work."""
        self.launch(version, *more)
        wait_until(self._ready, bound_s=START_S, what=f"the start of {self.name}", look_s=0.05)
        return self

    def launch(self, version: Environment, *more: str) -> "subprocess.Popen[bytes]":
        """Start it in this version."""
        plain = {key: value for key, value in os.environ.items() if not key.startswith("BRUSHWORK_")}
        variables = {"BRUSHWORK_WEBHOOK_SECRET": SECRET, "BRUSHWORK_WEBHOOK_PRIVATE": "true"}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                (version.python, "-m", "brushwork", *self._arguments, *more),
                cwd=version.folder,
                env={**plain, **environment(self._settings), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self.process

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """Stop it, and return its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(STOP_S)
        self.process = None
        return status

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-4000:]
        return self._is_ready(self)


def worker(name: str, kinds: str, settings: Settings, folder: Path, database: Database) -> Service:
    """A worker, which is ready when the registry says so."""

    def is_ready(service: Service) -> bool:
        assert service.process is not None
        pid = service.process.pid
        return any(seen.ready and seen.pid == pid for seen in WorkerRegistry(database).workers())

    return Service(name, ("worker", "--kinds", kinds, "--name", name), settings, folder, is_ready)


def sender(settings: Settings, folder: Path) -> Service:
    """A webhook sender, which says in its log that it is ready."""
    started = 0

    def is_ready(service: Service) -> bool:
        nonlocal started
        if service.log.read_text().count("Ready:") > started:
            started += 1
            return True
        return False

    return Service("sender", ("webhooks", "send"), settings, folder, is_ready)


class GatewayService(Service):
    """A gateway at a port of its own.

    Args:
        number: Its number.
        settings: Its settings.
        folder: For its log.
    """

    def __init__(self, number: int, settings: Settings, folder: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        super().__init__(
            f"gateway-{number}", ("gateway", "--port", str(port)), settings, folder, type(self)._answers
        )

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/readyz", timeout=10).is_success
        except httpx.TransportError:
            return False
