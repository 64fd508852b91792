"""The attempts that this process runs at the moment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_workers.execution.attempt import Attempt


class RunningAttempts:
    """The attempts that this process runs at the moment. Safe to use from any thread."""

    def __init__(self) -> None:
        self._attempts: set[Attempt] = set()
        self._num_begun = 0
        self._changing = threading.Lock()

    @contextmanager
    def tracked(self, attempt: Attempt) -> Iterator[None]:
        """Count `attempt` as running inside the block."""
        with self._changing:
            self._attempts.add(attempt)
            self._num_begun += 1
        try:
            yield
        finally:
            with self._changing:
                self._attempts.discard(attempt)

    @property
    def num_begun(self) -> int:
        """The number of attempts that have begun in this process."""
        return self._num_begun

    def attempts(self) -> list[Attempt]:
        """Return the running attempts."""
        with self._changing:
            return list(self._attempts)


class Quiet:
    """Detects that no attempt has run for a while.

    Args:
        running: The attempts of this process.
    """

    def __init__(self, running: RunningAttempts) -> None:
        self._running = running
        self._num_begun = -1

    def is_quiet(self) -> bool:
        """Return whether no attempt runs, and none has begun since the last call."""
        before, self._num_begun = self._num_begun, self._running.num_begun
        return self._num_begun == before and not self._running.attempts()
