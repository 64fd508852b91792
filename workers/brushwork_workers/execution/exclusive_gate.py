"""A gate that lets jobs run at the same time, or one job exclusively."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHECK_EVERY_S = 0.5


class ExclusiveGate:
    """A read-write lock for jobs: any number of shared holders, or one exclusive holder.

    A suspect (a job that was running when a worker died) holds the gate exclusively. From its claim on no
    other job is to be claimed, so that those that run come to an end.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_shared = 0
        self._num_exclusive = 0
        self._has_exclusive = False

    @property
    def is_closed(self) -> bool:
        """Whether a job that has to be alone waits or runs, so that no other job may begin."""
        return self._num_exclusive > 0

    @property
    def has_exclusive_waiter(self) -> bool:
        """Whether a job waits for exclusive access."""
        return self._num_exclusive > self._has_exclusive

    def admit(self, num_shared: int, num_exclusive: int = 0) -> None:
        """Count claimed jobs: those that run beside others, and those that have to be alone.

        Each of them calls `leave` at its end. The gate must not be closed.
        """
        with self._changed:
            self._num_shared += num_shared
            self._num_exclusive += num_exclusive

    def leave(self, *, alone: bool) -> None:
        """Count a job as ended.

        Args:
            alone: Whether it had to be alone.
        """
        with self._changed:
            if alone:
                self._num_exclusive -= 1
            else:
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
            while self._has_exclusive or self._num_shared:
                self._changed.wait(CHECK_EVERY_S)
                check()
            self._has_exclusive = True
        try:
            yield
        finally:
            with self._changed:
                self._has_exclusive = False
                self._changed.notify_all()
