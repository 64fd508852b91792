"""Jobs run together, or one alone: the gate that every job of a worker goes through."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_S = 0.5


class ExclusiveGate:
    """Lets in any number of jobs, or one that has to be alone.

    A suspect, one of those that ran when a worker died, waits until nobody is inside; as soon as it waits
    nobody else is let in, so that it does not wait for ever.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_inside = 0
        self._num_waiting_alone = 0
        self._alone_inside = False

    @property
    def is_awaited(self) -> bool:
        """Whether one that has to be alone waits until all others have left."""
        return self._num_waiting_alone > 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside with others."""
        with self._changed:
            while self._alone_inside or self._num_waiting_alone:
                self._changed.wait()
            self._num_inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._num_inside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, check: Callable[[], None]) -> Iterator[None]:
        """Inside with nobody else.

        Args:
            check: Called again and again meanwhile; what it raises ends the wait.
        """
        with self._changed:
            self._num_waiting_alone += 1
            try:
                while self._alone_inside or self._num_inside:
                    self._changed.wait(LOOK_S)
                    check()
                self._alone_inside = True
            finally:
                self._num_waiting_alone -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._alone_inside = False
                self._changed.notify_all()
