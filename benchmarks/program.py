"""A child program of a benchmark, which is stopped reliably together with its own child processes."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from brushwork.embedded.child import LEASH

from tests.servers import wait_until

START_S = 240.0
STOP_S = 30.0
# What whoever runs the benchmark has set is not to reach what is measured.
_FOREIGN = ("BRUSHWORK_", "CELERY_", "OMP_", "MKL_")


class Program:
    """One life of a program, in a process group of its own; it ends with this process.

    Args:
        argv: The program and its arguments.
        log: Where its output goes.
        is_up: Asked again and again until it is true.
        environment: Added to this process's environment, which is cleared of foreign settings.
    """

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        is_up: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._argv = list(argv)
        self._log = log
        self._is_up = is_up
        self._environment = {**own_environment(), **(environment or {})}

    def __enter__(self) -> Self:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_leash(), *self._argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        try:
            wait_until(self._has_answered, bound_s=START_S, what=f"the start of {self._argv}")
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
        self.thaw()
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_S)
        self._end()

    def freeze(self) -> None:
        """Stop it and all that it has started, until `thaw`: not a moment of a core is theirs."""
        for process in self.tree():
            # A child may have ended since it was listed.
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """Let it go on."""
        for process in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def tree(self) -> list[psutil.Process]:
        """It and all that it has started; nothing once it has ended."""
        try:
            own = psutil.Process(self._process.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _has_answered(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._argv} ended at once:\n{self._log.read_text('utf-8')[-4000:]}")
        return self._is_up()

    def _end(self) -> None:
        # The group: children of a program that was killed outlive it otherwise.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def own_environment() -> dict[str, str]:
    """This process's environment without foreign settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}


def _leash() -> list[str]:
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGTERM))]
