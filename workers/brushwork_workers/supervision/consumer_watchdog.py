"""Whether this worker really takes messages: one may be connected, beat and answer pings, and yet be deaf.

A connection that is half open is noticed without messages, by kombu (5.7): it asks anew each second, and
drops the connection where the answer is late by `health_check_interval`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

LOGGER = logging.getLogger(__name__)


class ConsumerWatchdog:
    """Compares what waits in Redis with what this worker has taken.

    Args:
        kinds: Whose queues it takes from.
        num_waiting: Messages of a kind in Redis; raises where Redis does not answer.
        concurrency: How many messages it works on at once.
        deaf_s: If messages wait and there is room, it should have taken one within so long.
        on_deaf: Called when it has not; it ends the process.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        num_waiting: Callable[[str], int],
        *,
        concurrency: int,
        deaf_s: float,
        on_deaf: Callable[[], None],
    ) -> None:
        self._kinds = kinds
        self._num_waiting = num_waiting
        self._concurrency = concurrency
        self._deaf_s = deaf_s
        self._on_deaf = on_deaf
        self._changing = threading.Lock()
        self._num_taken = 0
        self._num_inside = 0
        self._seen_taken = 0
        self._hears_since = time.monotonic()
        self._rests = False

    def rest(self) -> None:
        """From now on it is to take none: it is about to stop."""
        self._rests = True

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Around the work on one message."""
        with self._changing:
            self._num_taken += 1
            self._num_inside += 1
        try:
            yield
        finally:
            with self._changing:
                self._num_inside -= 1

    def look(self) -> None:
        """See whether messages wait that this worker should have taken.

        Raises:
            ServiceUnreachable: Redis does not answer, so nobody could take any.
        """
        if self._rests or self._is_well():
            self._hears_since = time.monotonic()
        elif time.monotonic() - self._hears_since > self._deaf_s:
            LOGGER.critical("Messages wait and none is taken: this worker ends")
            self._on_deaf()

    def _is_well(self) -> bool:
        with self._changing:
            has_taken, is_full = self._num_taken != self._seen_taken, self._num_inside >= self._concurrency
            self._seen_taken = self._num_taken
        if has_taken or is_full:
            return True
        try:
            return not any(self._num_waiting(kind) for kind in self._kinds)
        except BaseException:
            self._hears_since = time.monotonic()
            raise
