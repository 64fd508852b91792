"""Answers given out one by one, so that the callers of a run do not all wake up at once."""

import time
from collections import deque
from concurrent.futures import Future
from typing import Any

# A caller takes well under a millisecond from its answer to its next call, unless it has a picture to save.
PATIENCE_S = 0.005


class StaggeredDelivery:
    """A queue of answers; each caller that comes back has the next one given out.

    Sixty-four threads that wake at once fight for Python's lock: every small tensor operation between two
    calls gives it up, and waits for it behind all others. One after another, they are back sooner:
    `python -m benchmarks.timeline` shows the pause between two runs. So an answer is given when the caller
    before has called again or left, or `PATIENCE_S` are over, or the device has something to do.

    Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._answers: deque[tuple[Future[Any], Any]] = deque()
        self._given_s = 0.0

    def add(self, answer: Future[Any], value: Any) -> None:
        """Line up an answer."""
        self._answers.append((answer, value))

    def give_next(self) -> None:
        """Give the next answer, if there is one."""
        try:
            answer, value = self._answers.popleft()
        except IndexError:
            return
        self._given_s = time.monotonic()
        answer.set_result(value)

    def give_all(self) -> None:
        """Give every answer."""
        while self._answers:
            self.give_next()

    @property
    def due_s(self) -> float | None:
        """When the next answer is to be given whatever the others do; None if none is left."""
        return self._given_s + PATIENCE_S if self._answers else None
