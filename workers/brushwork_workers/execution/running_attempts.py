"""The attempts that this process runs at the moment."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_workers.execution.attempt import Attempt


class RunningAttempts:
    """The attempts that this process runs at the moment. Safe to use from any thread."""

    def __init__(self) -> None:
        self._attempts: set[Attempt] = set()
        self._changing = threading.Lock()

    @contextmanager
    def tracked(self, attempt: Attempt) -> Iterator[None]:
        """Count `attempt` as running inside the block."""
        with self._changing:
            self._attempts.add(attempt)
        try:
            yield
        finally:
            with self._changing:
                self._attempts.discard(attempt)

    def attempts(self) -> list[Attempt]:
        """Return the running attempts."""
        with self._changing:
            return list(self._attempts)
