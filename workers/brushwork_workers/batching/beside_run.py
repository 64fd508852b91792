"""Several functions of one job that run at once, so that their model calls gather.

At most `MOST_BESIDE` of the functions have begun and not ended at any time, for each holds its inputs in
memory. They run in lanes, one after another in each lane. To the batcher, a lane is a caller: after an answer
it comes back with the next call of its function, or with the first of its next function.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Generic, TypeVar

from brushwork_workers.batching.callers import Caller, CallWithdrawn
from brushwork_workers.batching.model_executor import StopCheck

MOST_BESIDE = 16
_T = TypeVar("_T")


class BesideRun(Generic[_T]):
    """One call of `run_beside`. Safe to use from any thread.

    Args:
        functions: The functions.
        on_done: Called with the number of functions that have ended, by one thread at a time.
        parent: The job that runs them.
        withdraw: Withdraws the waiting calls of a caller.
    """

    def __init__(
        self,
        functions: Sequence[Callable[[], _T]],
        on_done: Callable[[int], None] | None,
        parent: Caller,
        withdraw: Callable[[Caller], None],
    ) -> None:
        self._functions = functions
        self._on_done = on_done
        self._stop = _BesideStop(parent.stop)
        self.callers = [_lane_of(parent, self._stop) for _ in range(min(MOST_BESIDE, len(functions)))]
        self._results: dict[int, _T] = {}
        self._next = 0
        self._changing = threading.Lock()
        # The job keeps this until its end, so it must not lead to the functions or the results.
        self._withdraw_all = partial(_withdraw_all, self.callers, withdraw)
        parent.stop.on_stop(self._withdraw_all)

    def lanes(self, calls_of: Callable[[Caller], AbstractContextManager[None]]) -> list[Callable[[], None]]:
        """Return functions to run at once, one for each of `callers`. They raise nothing.

        Args:
            calls_of: Surrounds the calls of a caller.
        """
        return [partial(self._run_lane, caller, calls_of) for caller in self.callers]

    def results(self) -> list[_T]:
        """Return what the functions returned, in their order, after all lanes have ended.

        Raises:
            Exception: The first error of a function, or of `on_done`.
            JobStopped: The job must stop.
        """
        if self._stop.error is not None:
            raise self._stop.error
        return [self._results[index] for index in range(len(self._functions))]

    def _run_lane(self, caller: Caller, calls_of: Callable[[Caller], AbstractContextManager[None]]) -> None:
        with calls_of(caller):
            while (index := self._taken()) is not None:
                caller.since_s = time.monotonic()
                try:
                    caller.stop.check()
                    self._ended(index, self._functions[index]())
                # SystemExit and MemoryError, too: whatever ends a function ends the job.
                except BaseException as error:
                    self._failed(error)

    def _taken(self) -> int | None:
        with self._changing:
            if self._stop.error is not None or self._next == len(self._functions):
                return None
            self._next += 1
            return self._next - 1

    def _ended(self, index: int, result: _T) -> None:
        with self._changing:
            self._results[index] = result
            if self._on_done is not None:
                self._on_done(len(self._results))

    def _failed(self, error: BaseException) -> None:
        with self._changing:
            if self._stop.error is not None:
                return
            self._stop.error = error
        self._withdraw_all()


class _BesideStop:
    """The stop of a job, for its functions: each also stops if another one has failed."""

    def __init__(self, own: StopCheck) -> None:
        self._own = own
        self.error: BaseException | None = None

    def check(self) -> None:
        self._own.check()
        if self.error is not None:
            raise CallWithdrawn("Another function of the job has failed.")

    def on_stop(self, callback: Callable[[], None]) -> None:
        self._own.on_stop(callback)


def _lane_of(parent: Caller, stop: StopCheck) -> Caller:
    return Caller(
        stop=stop,
        model=parent.model,
        priority=parent.priority,
        alone=parent.alone,
        on_progress=parent.on_progress,
        on_engines=parent.on_engines,
        is_extra=True,
    )


def _withdraw_all(callers: Sequence[Caller], withdraw: Callable[[Caller], None]) -> None:
    for caller in callers:
        withdraw(caller)
