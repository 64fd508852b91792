"""A device that runs one call at a time: own calls first, extra calls when no own call waits."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# An extra call waits for own ones that long at most.
EXTRA_AFTER_S = 1.0


class SharedDevice:
    """Who may use the device. Safe to use from any thread.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._is_busy = False
        self._num_own_waiting = 0

    @contextmanager
    def held(self, *, is_extra: bool = False) -> Iterator[None]:
        """Hold the device inside the block.

        Args:
            is_extra: Whether it is for an extra call, which lets own calls of all jobs go first.
        """
        self._take_after_own() if is_extra else self._take()
        try:
            yield
        finally:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()

    def _take(self) -> None:
        with self._changed:
            self._num_own_waiting += 1
            try:
                self._changed.wait_for(lambda: not self._is_busy)
                self._is_busy = True
            finally:
                self._num_own_waiting -= 1

    def _take_after_own(self) -> None:
        since_s = self._clock()
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    not self._is_busy
                    and (not self._num_own_waiting or self._clock() - since_s >= EXTRA_AFTER_S)
                )
            )
            self._is_busy = True
