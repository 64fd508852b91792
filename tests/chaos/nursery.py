"""Starts the fault suite's workers by the fork server, and hears of their ends."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from brushwork_core.settings.settings import Settings
from pydantic import SecretStr

from tests.fork_server.client import ForkedProcess, ForkServer
from tests.servers import wait_until

ENTRY = "tests.chaos.scripted_worker:run"


class Worker:
    """One worker process: a real one, but for its performer of text-to-image.

    Args:
        process: Its process.
        name: What people call it.
        log: Its output.
    """

    def __init__(self, process: ForkedProcess, name: str, log: Path) -> None:
        self._process = process
        self.name = name
        self.log = log

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    @property
    def mark(self) -> str:
        """What its full name in the ledger holds, and no other's."""
        return f"/{self.pid}-"

    def send(self, number: signal.Signals) -> None:
        """A signal; to one that has ended already, none."""
        self._process.send_signal(number)

    def wait_ended(self, bound_s: float) -> int:
        """Its exit status; -N if signal N ended it."""
        wait_until(lambda: not self.is_alive, bound_s=bound_s, what=f"the end of {self.name}")
        return self._process.wait()

    def text(self) -> str:
        """Its log, and that of its predecessors of the same name."""
        return self.log.read_text("utf-8", errors="replace")


class Nursery:
    """Starts workers.

    Args:
        server: Forks their processes.
    """

    def __init__(self, server: ForkServer) -> None:
        self._server = server

    def start(
        self,
        settings: Settings,
        *,
        name: str,
        log: Path,
        journal: Path,
        kinds: Sequence[str],
        concurrency: int,
        clock_ahead_s: float,
        on_end: Callable[[Worker], None],
    ) -> Worker:
        """Start a worker.

        Args:
            settings: Its own.
            name: Its node name.
            log: Where its output goes.
            journal: Where its attempts are noted.
            kinds: What it serves.
            concurrency: Jobs at once.
            clock_ahead_s: By how much its clock is wrong.
            on_end: Called from another thread when it has ended; must return at once.
        """
        arguments = {
            "settings": plain(settings), "name": name, "kinds": list(kinds), "concurrency": concurrency,
            "journal": str(journal), "clock_ahead_s": clock_ahead_s,
        }  # fmt: skip
        process = self._server.start(
            ENTRY, arguments, log=log, on_end=lambda ended: on_end(Worker(ended, name, log))
        )
        return Worker(process, name, log)


def plain(settings: Settings) -> dict[str, Any]:
    """Settings as JSON can say them, passwords included: the order goes through a pipe of our own."""
    secrets = {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}
    return {**settings.model_dump(mode="json"), **secrets}
