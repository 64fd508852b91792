"""The device thread: takes the runs that the policy chooses, and hands each caller its slice."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import torch

from brushwork_workers.batching.arguments import Call, NotSliceable, run_together
from brushwork_workers.batching.policy import Later, Policy, Run, Waiting

LOGGER = logging.getLogger(__name__)


class Batcher:
    """`Calls` that gathers: calls from many threads, one device thread.

    A caller is a thread. Inside `job()` the others may wait for its next call; outside nobody does.

    Args:
        max_rows: Most rows of one run.
        on_run: Told of every run that ended well, with the seconds that it took.
    """

    def __init__(self, max_rows: int, on_run: Callable[[Run, float], None] | None = None) -> None:
        self._policy = Policy(max_rows)
        self._on_run = on_run
        self._changed = threading.Condition()
        self._pending: dict[Waiting, tuple[Call, Future[Any]]] = {}
        self._alone: set[Hashable] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="device", daemon=True)
        self._thread.start()

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What `function(*args, **kwargs)` returns, from a run that others may share.

        Raises:
            Exception: What the call alone raises; a neighbour's error never arrives here.
        """
        call = Call.of(function, args, kwargs)
        answer: Future[Any] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            waiting = Waiting(threading.get_ident(), self._key(call), max(1, call.rows), time.monotonic())
            self._pending[waiting] = (call, answer)
            self._policy.arrived(waiting)
            self._changed.notify()
        return answer.result()

    @contextmanager
    def job(self) -> Iterator[None]:
        """Around a job's calls: at its end, nobody waits for this thread any longer."""
        try:
            yield
        finally:
            with self._changed:
                self._policy.left(threading.get_ident())
                self._changed.notify()

    def close(self) -> None:
        """End the device thread; calls that still wait are canceled."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for _, answer in self._pending.values():
            answer.cancel()

    def _key(self, call: Call) -> Hashable:
        # A call without rows, or one whose answers can't be cut, shares a run with nobody.
        if call.rows == 0 or call.key in self._alone:
            return call.key, threading.get_ident()
        return call.key

    def _serve(self) -> None:
        with torch.no_grad():
            while (run := self._next_run()) is not None:
                self._run(run)

    def _next_run(self) -> Run | None:
        with self._changed:
            while not self._closed:
                decision = self._policy.decide(time.monotonic())
                if isinstance(decision, Run):
                    return decision
                self._changed.wait(_pause_s(decision))
        return None

    def _run(self, run: Run) -> None:
        calls = [self._pending[waiting][0] for waiting in run.calls]
        began = time.monotonic()
        try:
            answers = run_together(calls)
        except torch.OutOfMemoryError as error:
            self._shrink(run, error)
        except NotSliceable as error:
            LOGGER.info("%s runs alone from now on: %s", calls[0].function, error)
            self._alone.add(calls[0].key)
            self._one_by_one(run)
        # Whose fault it was shows when each runs alone; the innocent get their answer then.
        except BaseException as error:
            if len(run.calls) == 1:
                self._fail(run.calls[0], error)
            else:
                self._one_by_one(run)
        else:
            self._finish(run, answers, time.monotonic() - began)

    def _finish(self, run: Run, answers: list[Any], took_s: float) -> None:
        with self._changed:
            self._policy.succeeded(run, took_s)
        for waiting, answer in zip(run.calls, answers, strict=True):
            self._pending.pop(waiting)[1].set_result(answer)
        if self._on_run:
            self._on_run(run, took_s)

    def _one_by_one(self, run: Run) -> None:
        for waiting in run.calls:
            self._run(Run((waiting,), "alone"))

    def _shrink(self, run: Run, error: torch.OutOfMemoryError) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(run.calls) == 1:
            self._fail(run.calls[0], error)
            return
        LOGGER.warning("%d rows do not fit in memory; trying fewer", run.rows)
        with self._changed:
            self._policy.out_of_memory(run)

    def _fail(self, waiting: Waiting, error: BaseException) -> None:
        self._pending.pop(waiting)[1].set_exception(error)


def _pause_s(later: Later) -> float | None:
    return None if later.at_s is None else max(0.0, later.at_s - time.monotonic())
