"""Everything that a process writes, as JSON lines: prints, warnings, tracebacks, and output of C libraries.

The process gets another standard output and another standard error. What Python code writes becomes a line at
once, with the context of the log. What is written to the file descriptors goes through a pipe to
`line_filter`. The log itself goes directly to the former standard error, so that no line of it can be late.
"""

import logging
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from io import TextIOBase
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TextIO

from brushwork_core.telemetry.line_filter import Lines, json_line

LOGGER = logging.getLogger(__name__)
FILTER = Path(__file__).with_name("line_filter.py")
STDOUT, STDERR = 1, 2
# Time that the filter gets to write the last lines when the process ends.
LAST_LINES_S = 2.0


class CapturedOutput:
    """The output of a process that was captured.

    Args:
        context: Returns fields for the lines that Python code writes.
    """

    def __init__(self, context: Callable[[], Mapping[str, object]]) -> None:
        self.stream: TextIO = os.fdopen(os.dup(STDERR), "w", encoding="utf-8", errors="backslashreplace")
        sys.stdout.flush()
        sys.stderr.flush()
        self._filter = subprocess.Popen(
            # Isolated: it needs neither site packages nor the environment.
            [sys.executable, "-I", "-S", str(FILTER)],
            stdin=subprocess.PIPE,
            stdout=self.stream.fileno(),
            stderr=subprocess.DEVNULL,
            env={},
            # Not Ctrl-C in a terminal, and no signal to the group, ends it before the last line.
            start_new_session=True,
        )
        self._redirect(context)

    def _redirect(self, context: Callable[[], Mapping[str, object]]) -> None:
        pipe = self._filter.stdin
        assert pipe is not None  # noqa: S101 - for the type checker; it is a pipe
        for number in (STDOUT, STDERR):
            os.dup2(pipe.fileno(), number)
        pipe.close()
        self._streams = [
            _Stream(name, number, self._write, context)
            for name, number in (("stdout", STDOUT), ("stderr", STDERR))
        ]
        sys.stdout, sys.stderr = self._streams
        sys.excepthook = _log_uncaught
        threading.excepthook = lambda error: _log_uncaught(
            error.exc_type, error.exc_value, error.exc_traceback, error.thread
        )
        sys.unraisablehook = lambda error: LOGGER.error(
            "%s: %r", error.err_msg or "An exception was ignored in", error.object, exc_info=error.exc_value
        )

    def _write(self, line: str) -> None:
        # A writer whose reader is gone goes on.
        with suppress(OSError, ValueError):
            self.stream.write(f"{line}\n")
            self.stream.flush()

    def close(self) -> None:
        """Let the filter write the last lines: no more can follow."""
        for captured in self._streams:
            captured.end_lines()
        for stream in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.flush()
        for number in (STDOUT, STDERR):
            os.dup2(self.stream.fileno(), number)
        with suppress(subprocess.TimeoutExpired):
            self._filter.wait(LAST_LINES_S)


class _Stream(TextIOBase):
    """Standard output or standard error of Python code."""

    def __init__(
        self, name: str, number: int, put: Callable[[str], None], context: Callable[[], Mapping[str, object]]
    ) -> None:
        self._name, self._number, self._put, self._context = name, number, put, context
        # Each thread writes its own lines.
        self._local = threading.local()
        self._open: weakref.WeakSet[Lines] = weakref.WeakSet()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def name(self) -> str:
        return f"<{self._name}>"

    @property
    def buffer(self) -> IO[bytes]:
        """The bytes go through the filter."""
        if not hasattr(self._local, "buffer"):
            self._local.buffer = os.fdopen(os.dup(self._number), "wb", 0)
        buffer: IO[bytes] = self._local.buffer
        return buffer

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._lines.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def end_lines(self) -> None:
        """Write the lines that have no end yet, of all threads."""
        for lines in list(self._open):
            lines.end()

    @property
    def _lines(self) -> Lines:
        if not hasattr(self._local, "lines"):
            self._local.lines = Lines(self._put_line)
            self._open.add(self._local.lines)
        lines: Lines = self._local.lines
        return lines

    def _put_line(self, text: str) -> None:
        line = json_line(text, self._name, self._context())
        if line is not None:
            self._put(line)


def _log_uncaught(
    kind: type[BaseException],
    error: BaseException | None,
    traceback: TracebackType | None,
    thread: threading.Thread | None = None,
) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    where = f" in thread {thread.name}" if thread is not None else ""
    info: Any = (kind, error, traceback)
    LOGGER.critical("Uncaught exception%s", where, exc_info=info)
