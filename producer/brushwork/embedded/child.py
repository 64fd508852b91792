"""A part of the stack as a child process, which ends with this process and whose output is read."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

LEASH = Path(__file__).with_name("leash.py")
LAST_LINES_S = 2.0


@dataclass(frozen=True)
class Part:
    """A program that the stack keeps running.

    Args:
        name: Name in log lines and of the log file.
        argv: Program and arguments.
        environment: Variables that are added to the environment of this process.
        grace_s: Seconds that it gets to stop after SIGTERM.
        orphan_signal: Signal that it gets if this process dies without stopping it.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 5.0
    orphan_signal: signal.Signals = signal.SIGKILL


class Child:
    """One process of a part. Start it from a long-lived thread: on Linux, the child ends with that thread.

    Args:
        part: The part to run.
        on_line: Called with the name of the part and each line of its output.
        on_end: Called once, from another thread, when the process has ended.
        kept_fds: Open files that the child inherits and keeps open.
    """

    def __init__(
        self,
        part: Part,
        *,
        on_line: Callable[[str, str], None],
        on_end: Callable[["Child"], None],
        kept_fds: Sequence[int] = (),
    ) -> None:
        self.part = part
        self.started_at = time.monotonic()
        self._on_line = on_line
        self._on_end = on_end
        self._process = subprocess.Popen(
            _on_leash(part),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **part.environment},
            # Ctrl-C in a terminal reaches only the supervisor, which stops the parts in order.
            process_group=0,
            pass_fds=tuple(kept_fds),
            text=True,
            errors="replace",
        )
        self._reader = Thread(target=self._read, name=f"{part.name} output", daemon=True)
        self._reader.start()
        Thread(target=self._await_end, name=f"{part.name} end", daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id, also the id of its process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status; None while it runs, -N after signal N."""
        return self._process.poll()

    @property
    def lived_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started_at

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Kill the process and its children at once."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker; it is a pipe
        with self._process.stdout as lines:
            for line in lines:
                self._on_line(self.part.name, line.rstrip("\n"))

    def _await_end(self) -> None:
        self._process.wait()
        self._reader.join(LAST_LINES_S)
        self._on_end(self)


def _on_leash(part: Part) -> list[str]:
    leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(part.orphan_signal))]
    return [*leash, *part.argv]
