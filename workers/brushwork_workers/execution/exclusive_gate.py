"""A gate that lets jobs run at the same time, or one job exclusively."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHECK_EVERY_S = 0.5


class ExclusiveGate:
    """A read-write lock for jobs: any number of shared holders, or one exclusive holder.

    A suspect (a job that was running when a worker died) holds the gate exclusively. While a job waits for
    exclusive access, no other job enters, so that the wait ends.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_shared = 0
        self._num_waiting_exclusive = 0
        self._has_exclusive = False

    @property
    def has_exclusive_waiter(self) -> bool:
        """Whether a job waits for exclusive access."""
        return self._num_waiting_exclusive > 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the gate together with other shared holders."""
        with self._changed:
            while self._has_exclusive or self._num_waiting_exclusive:
                self._changed.wait()
            self._num_shared += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_shared -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, check: Callable[[], None]) -> Iterator[None]:
        """Hold the gate alone.

        Args:
            check: Called at least every 0.5 seconds during the wait. An exception that it raises ends the
                wait.
        """
        with self._changed:
            self._num_waiting_exclusive += 1
            try:
                while self._has_exclusive or self._num_shared:
                    self._changed.wait(CHECK_EVERY_S)
                    check()
                self._has_exclusive = True
            finally:
                self._num_waiting_exclusive -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._has_exclusive = False
                self._changed.notify_all()
