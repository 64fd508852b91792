"""A program that turns the lines of its standard input into JSON lines on its standard output.

It reads what a process writes past its log: libraries in C, `faulthandler`, child processes. It is a process
of its own, because a thread could not write what the process says while it dies, and a library that holds
Python's global lock would block for ever once the pipe is full. It imports nothing of brushwork, so that it
starts quickly and takes little memory.
"""

import codecs
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

# The most characters of a line. A program may write without end and without a line break.
LONGEST_LINE = 20_000
CHUNK_BYTES = 1 << 16
# Passwords in addresses, and API keys.
_PASSWORD = re.compile(r"""(://[^\s:/@"']*:)[^\s@/"'\\]+(?=@)""")
_KEY = re.compile(r"\b(bw_[A-Za-z0-9]+_)[A-Za-z0-9_-]{16,}")
_HIDDEN = r"\1***"


def without_secrets(text: str) -> str:
    """Return a text in which passwords in addresses and API keys are replaced by asterisks."""
    if "://" in text:
        text = _PASSWORD.sub(_HIDDEN, text)
    return _KEY.sub(_HIDDEN, text) if "bw_" in text else text


def json_line(text: str, logger: str, context: Mapping[str, object] | None = None) -> str | None:
    """Return a line of output as a line of the log.

    Args:
        text: The line, without its end.
        logger: What wrote it, such as `stderr`.
        context: More fields.

    Returns:
        None for an empty line. A line that is a JSON object stays as it is: another process has written it.
    """
    # A progress bar returns to the start of its line. Only its last state is kept.
    shown = text.rstrip("\r").rpartition("\r")[2].rstrip()
    if not shown.strip():
        return None
    if shown.startswith("{") and _is_object(shown):
        return without_secrets(shown)
    record = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "INFO" if logger == "stdout" else "WARNING",
        "logger": logger,
        "message": without_secrets(shown[:LONGEST_LINE]),
        **(context or {}),
    }
    # ASCII, so that no character can act on a terminal.
    return json.dumps(record)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


class Lines:
    """Splits output into lines.

    Args:
        on_line: Called with each line, without its end.
    """

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = ""

    def write(self, text: str) -> None:
        """Take more output."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._on_line(line)
        if len(self._rest) > LONGEST_LINE:
            # The states of a progress bar are no longer needed.
            self._rest = self._rest.rpartition("\r")[2]
        if len(self._rest) > LONGEST_LINE:
            self.end()

    def __del__(self) -> None:
        # A thread may end without the end of its line.
        self.end()

    def end(self) -> None:
        """Pass on a last line without an end."""
        rest, self._rest = self._rest, ""
        if rest:
            self._on_line(rest)


def main() -> None:
    """Read until all writers have closed the pipe."""
    # The process that writes decides when the end is.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    lines, decoder = Lines(_put), codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(0, CHUNK_BYTES):
        lines.write(decoder.decode(data))
    lines.end()


def _put(text: str) -> None:
    line = json_line(text, "stderr")
    if line is not None:
        # If the reader of the log is gone, the pipe must still be emptied.
        with contextlib.suppress(OSError):
            os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
    sys.stdout.close()
