"""Calls a function of a plug-in with a time limit.

A thread cannot be ended. A call that is late is left alone, and while too many late calls of a policy still
run, it is not called again: its calls fail at once.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

# Calls of one policy that may be late at the same time.
MOST_LATE = 4
_Result = TypeVar("_Result")


class TimeLimit:
    """The time limit of one policy. Safe to use from any thread.

    Args:
        seconds: The limit.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._num_late = 0

    def call(self, function: Callable[[], _Result]) -> _Result:
        """Return what a function returns, or raise what it raises.

        Raises:
            TimeoutError: It took too long, or too many calls before it do not end.
        """
        with self._lock:
            if self._num_late >= MOST_LATE:
                raise TimeoutError(f"{self._num_late} earlier calls still run")
        answer: Future[_Result] = Future()
        context = copy_context()
        thread = threading.Thread(
            target=context.run, args=(_answer, function, answer), name="policy", daemon=True
        )
        thread.start()
        try:
            return answer.result(self._seconds)
        except TimeoutError:
            if not answer.done():
                self._note_late(answer)
                raise TimeoutError(f"no answer within {self._seconds:g} s") from None
            raise

    def _note_late(self, answer: "Future[_Result]") -> None:
        with self._lock:
            self._num_late += 1
        answer.add_done_callback(self._forget)

    def _forget(self, answer: object) -> None:
        with self._lock:
            self._num_late -= 1


def _answer(function: Callable[[], _Result], answer: "Future[_Result]") -> None:
    try:
        answer.set_result(function())
    # A plug-in may raise anything, and may call `sys.exit`. What is no `Exception`, such as the end of a task
    # of asyncio, would end the thread that waits.
    except BaseException as error:
        is_plain = isinstance(error, Exception)
        answer.set_exception(error if is_plain else RuntimeError(f"{type(error).__name__}: {error}"))
