"""Delivers answers one by one, so that the callers of a batch do not all wake up at once."""

import time
from collections import deque
from concurrent.futures import Future
from typing import Any

# A caller needs much less than a millisecond from its answer to its next call, unless it saves a picture.
NEXT_AFTER_S = 0.005


class StaggeredDelivery:
    """A queue of answers. When one caller has called again, the next answer is delivered.

    Sixty-four threads that wake up at once compete for Python's global lock: every small tensor operation
    between two calls releases it, and then waits for it behind all other threads. One after another they are
    back sooner; `python -m benchmarks.timeline` shows the pause between two batches. So the next answer is
    delivered when the previous caller has called again or left, or after `NEXT_AFTER_S`, or when the device
    has something to do.

    Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._answers: deque[tuple[Future[Any], Any]] = deque()
        self._delivered_s = 0.0

    def add(self, answer: Future[Any], value: Any) -> None:
        """Add an answer to the queue."""
        self._answers.append((answer, value))

    def deliver_next(self) -> None:
        """Deliver the next answer, if there is one."""
        try:
            answer, value = self._answers.popleft()
        except IndexError:
            return
        self._delivered_s = time.monotonic()
        answer.set_result(value)

    def deliver_all(self) -> None:
        """Deliver every answer."""
        while self._answers:
            self.deliver_next()

    @property
    def due_s(self) -> float | None:
        """When the next answer must be delivered, in monotonic seconds; None if there is none."""
        return self._delivered_s + NEXT_AFTER_S if self._answers else None
