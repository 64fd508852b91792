"""Detects a worker that is connected and sends heartbeats, but takes no messages any more.

A half-open connection is detected by kombu 5.7 without messages: it sends a check each second, and drops the
connection if the answer is later than `health_check_interval`.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

LOGGER = logging.getLogger(__name__)


class ConsumerWatchdog:
    """Compares the messages that wait in Redis with those that this worker has taken.

    Args:
        kinds: The kinds whose queues this worker consumes.
        num_waiting: Returns the number of messages of a kind in Redis; raises if Redis does not answer.
        limit_s: If messages wait and there is room, the worker must take one within so many seconds.
        on_stuck: Called if it does not; it ends the process.
        takes_work: Returns False while the worker takes no messages on purpose, such as without room.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        num_waiting: Callable[[str], int],
        *,
        limit_s: float,
        on_stuck: Callable[[], None],
        takes_work: Callable[[], bool] = lambda: True,
    ) -> None:
        self._kinds = kinds
        self._num_waiting = num_waiting
        self._limit_s = limit_s
        self._on_stuck = on_stuck
        self._takes_work = takes_work
        self._changing = threading.Lock()
        self._num_taken = 0
        self._num_taken_before = 0
        # Set by the first check. Before it the worker loads models, perhaps for minutes, without messages.
        self._well_since: float | None = None
        self._is_stopping = False

    def stop(self) -> None:
        """Expect no more messages: the worker is about to stop."""
        self._is_stopping = True

    def message_taken(self) -> None:
        """Count a message as taken."""
        with self._changing:
            self._num_taken += 1

    def check(self) -> None:
        """Check whether messages wait that this worker should have taken.

        Raises:
            ServiceUnreachable: Redis does not answer, so no worker could take any.
        """
        now = time.monotonic()
        if self._well_since is None:
            self._well_since = now
        if self._is_stopping or self._is_well():
            self._well_since = time.monotonic()
        elif now - self._well_since > self._limit_s:
            LOGGER.critical("Messages wait in Redis but none arrives; this worker exits")
            self._on_stuck()

    def _is_well(self) -> bool:
        with self._changing:
            has_taken = self._num_taken != self._num_taken_before
            self._num_taken_before = self._num_taken
        if has_taken or not self._takes_work():
            return True
        try:
            return not any(self._num_waiting(kind) for kind in self._kinds)
        except BaseException:
            self._well_since = time.monotonic()
            raise
