"""The test's side of the zygote: starts it, asks it for workers, and hears of their ends."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from brushwork.embedded.child import LEASH
from brushwork_core.settings.settings import Settings

from tests.servers import wait_until

START_S = 120.0
BIRTH_S = 20.0


class Worker:
    """One worker process: a real one, but for its performer of text-to-image.

    Args:
        pid: Its process.
        name: What people call it.
        log: Its output.
    """

    def __init__(self, pid: int, name: str, log: Path) -> None:
        self.pid = pid
        self.name = name
        self.log = log
        self.status: int | None = None

    @property
    def is_alive(self) -> bool:
        return self.status is None

    @property
    def mark(self) -> str:
        """What its full name in the ledger holds, and no other's."""
        return f"/{self.pid}-"

    def send(self, number: signal.Signals) -> None:
        """A signal; to one that has ended already, none."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait_ended(self, bound_s: float) -> int:
        """Its exit status; -N if signal N ended it."""
        wait_until(lambda: not self.is_alive, bound_s=bound_s, what=f"the end of {self.name}")
        assert self.status is not None
        return self.status

    def text(self) -> str:
        """Its log, and that of its predecessors of the same name."""
        return self.log.read_text("utf-8", errors="replace")


class Nursery:
    """A running zygote. Make it in a thread that lives on: its leash is tied to that thread.

    Args:
        folder: For its log.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "zygote.log"
        self._turn = threading.Lock()
        self._changing = threading.Lock()
        self._num_orders = 0
        self._is_ready = False
        self._born: dict[int, int] = {}
        self._living: dict[int, tuple[Worker, Callable[[Worker], None]]] = {}
        # Ends that were heard of before the birth was written down.
        self._ended: dict[int, int] = {}
        own = {
            key: value for key, value in os.environ.items() if not key.startswith(("BRUSHWORK_", "CELERY_"))
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)),
                 sys.executable, "-m", "tests.chaos.zygote"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                cwd=Path(__file__).parents[2], env=own,
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, name="nursery", daemon=True)
        self._listener.start()
        wait_until(self._has_begun, bound_s=START_S, what="the start of the zygote")

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
        """Have a worker born.

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
        with self._turn:
            self._num_orders += 1
            number = self._num_orders
            order = {
                "number": number, "settings": plain(settings), "name": name, "kinds": list(kinds),
                "concurrency": concurrency, "log": str(log), "journal": str(journal),
                "clock_ahead_s": clock_ahead_s,
            }  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            wait_until(lambda: number in self._born, bound_s=BIRTH_S, what="the birth of a worker")
            worker = Worker(self._born.pop(number), name, log)
        with self._changing:
            self._living[worker.pid] = (worker, on_end)
            status = self._ended.pop(worker.pid, None)
        if status is not None:
            self._bury(worker.pid, status)
        return worker

    def close(self) -> None:
        """End the zygote and all workers."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _has_begun(self) -> bool:
        assert self._process.poll() is None, self._log.read_text("utf-8")
        return self._is_ready

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._hear(json.loads(line))

    def _hear(self, words: dict[str, int]) -> None:
        if "ready" in words:
            self._is_ready = True
        elif "born" in words:
            self._born[words["order"]] = words["born"]
        else:
            self._bury(words["ended"], words["status"])

    def _bury(self, pid: int, status: int) -> None:
        with self._changing:
            if pid not in self._living:
                self._ended[pid] = status
                return
            worker, on_end = self._living.pop(pid)
        worker.status = status
        on_end(worker)


def plain(settings: Settings) -> dict[str, Any]:
    """Settings as JSON can say them, passwords included: the order goes through a pipe of our own."""
    secrets = {name: getattr(settings, name).get_secret_value() for name in ("redis_url", "database_url")}
    return {**settings.model_dump(mode="json"), **secrets}
