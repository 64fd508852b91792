"""One decoder process, from the side of its owner."""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.wording.phrase import said

from brushwork_core.media.decoders import frames

LOGGER = logging.getLogger(__name__)
# CPU time is limited; this is for a process that is stopped, or a machine that stands still.
PATIENCE_S = 300.0
# `-c` instead of `-m`, so that the child finds its modules where this process does.
_CODE = (
    "import sys; sys.path[:] = sys.argv[1:-1]; from brushwork_core.media.decoders.program import main; main()"
)
# Nothing else of the environment: it holds passwords.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "SYSTEMROOT")
# Settings of glibc. Each arena would reserve memory of its own. And the memory of each picture would go back
# to the system, and come again page by page for the next one: a third of the time of a small picture.
_MALLOC = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(16 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 2**20),
}
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}


class Lost(Exception):
    """A decoder process has ended, or did not answer.

    Args:
        code: Its exit status, or the negative number of the signal that ended it; None if it is not known.
    """

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code

    @property
    def is_by_picture(self) -> bool:
        """Whether the picture has ended it: a limit, or a crash; not somebody who has stopped it."""
        return self.code is not None and -self.code not in _FROM_OUTSIDE and self.code < 0


class DecoderProcess:
    """A process that performs one task at a time. It is started by the first task."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def perform(self, task: Mapping[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Perform a task, and return the answer and what was written as its result.

        Args:
            task: Name and arguments.
            data: The picture or archive.

        Raises:
            Lost: The process has ended. The next task starts another.
            ServiceUnreachable: No process can be started.
        """
        given, result = frames.memory_file(), frames.memory_file()
        try:
            frames.write_all(given, data)
            answer = self._answer({**task, "number": next(self._numbers)}, given, result)
            if "died" in answer:
                raise Lost(answer["died"])
            return answer, frames.content(result)
        finally:
            os.close(given)
            os.close(result)

    def close(self) -> None:
        """End the process. A task that it performs ends as `Lost`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if (process := self._process) is not None:
            self._process = None
            # The guard and its child are a group of their own.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _answer(self, task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
        connection = self._connection
        # Without its guard, nobody would tell how a child has died.
        if connection is None or self._process is None or self._process.poll() is not None:
            connection = self._started()
        try:
            frames.send(connection, task, (given, result))
            while (received := frames.receive(connection)) is not None:
                message, _ = received
                # Any other is about a task whose answer has come before its process died.
                if message.get("number") == task["number"]:
                    return message
        except OSError as error:
            LOGGER.warning("A decoder process is lost: %s", error)
        self.close()
        raise Lost(None)

    def _started(self) -> socket.socket:
        self.close()
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE_S)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _CODE, *sys.path, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    env={name: os.environ[name] for name in _KEPT if name in os.environ} | _MALLOC,
                    # A signal from a terminal is for this process alone.
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise _not_started() from error
        self._connection = ours
        if frames.receive(ours) is None:
            LOGGER.error("A decoder process ended with status %s before it was ready", self._process.wait())
            self.close()
            raise _not_started()
        return ours


def _not_started() -> ServiceUnreachable:
    return ServiceUnreachable(said("No process that decodes pictures can be started. The log says why."))
