"""The test's side of the fork server: starts it, asks it for processes, and hears of their ends."""

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from brushwork.embedded.child import LEASH

from tests.servers import wait_until

START_S = 180.0
FORK_S = 20.0
TOP = Path(__file__).parents[2]


class ForkedProcess:
    """A process that the fork server has started; it looks like a `subprocess.Popen`.

    Args:
        pid: Its process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self._ended = threading.Event()

    def poll(self) -> int | None:
        """Its exit status, -N if signal N ended it; None while it runs."""
        return self.status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing is sent to a process that has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, as soon as it has ended.

        Raises:
            subprocess.TimeoutExpired: It runs on.
        """
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        assert self.status is not None
        return self.status

    def set_ended(self, status: int) -> None:
        """Note the exit status; the fork server's client calls it."""
        self.status = status
        self._ended.set()


OnEnd = Callable[[ForkedProcess], None]


class ForkServer:
    """A running fork server. Make it in the main thread: it ends with the thread that started it.

    Args:
        folder: For its log.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "fork-server.log"
        self._turn = threading.Lock()
        self._changing = threading.Lock()
        self._num_orders = 0
        self._is_ready = False
        self._started: dict[int, int] = {}
        self._running: dict[int, tuple[ForkedProcess, OnEnd]] = {}
        # Ends that were reported before their process was written down.
        self._ended: dict[int, int] = {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)),
                 sys.executable, "-m", "tests.fork_server"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                cwd=TOP, env=plain_environment(),
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, name="fork server", daemon=True)
        self._listener.start()

    def start(
        self,
        entry: str,
        arguments: Mapping[str, Any],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        on_end: OnEnd = lambda process: None,
    ) -> ForkedProcess:
        """Start a process that calls a function.

        Args:
            entry: The function, as `module:name`.
            arguments: Of the function, by name; JSON has to be able to hold them.
            log: Where the output of the process goes.
            environment: Its environment variables; by default those of this process that are not settings.
            on_end: Called from another thread when the process has ended; must return at once.
        """
        with self._turn:
            wait_until(self._has_begun, bound_s=START_S, what="the start of the fork server", look_s=0.02)
            self._num_orders += 1
            number = self._num_orders
            order = {
                "number": number, "entry": entry, "arguments": dict(arguments), "log": str(log),
                "environment": dict(plain_environment() if environment is None else environment),
            }  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            wait_until(lambda: number in self._started, bound_s=FORK_S, what="the fork of a process")
            process = ForkedProcess(self._started.pop(number))
        with self._changing:
            self._running[process.pid] = (process, on_end)
            status = self._ended.pop(process.pid, None)
        if status is not None:
            self._end(process.pid, status)
        return process

    def close(self) -> None:
        """End the server and all its processes."""
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
        elif "started" in words:
            self._started[words["order"]] = words["started"]
        else:
            self._end(words["ended"], words["status"])

    def _end(self, pid: int, status: int) -> None:
        with self._changing:
            if pid not in self._running:
                self._ended[pid] = status
                return
            process, on_end = self._running.pop(pid)
        process.set_ended(status)
        on_end(process)


def plain_environment() -> dict[str, str]:
    """The environment variables of this process that are no settings."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("BRUSHWORK_", "CELERY_"))
    }


@functools.cache
def fork_server() -> ForkServer:
    """The fork server of this run of the tests; the first call, in the main thread, starts it."""
    folder = Path(tempfile.mkdtemp(prefix="brushwork-fork-server-"))
    opened = ForkServer(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(opened.close)
    return opened
