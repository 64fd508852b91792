"""The device thread: takes the runs that the policy chooses, and hands each caller its slice."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from brushwork_workers.batching.arguments import (
    ModuleCall,
    NotShareable,
    launched,
    owner_of,
    run_together,
)
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import StopCheck
from brushwork_workers.batching.scheduler import CallBatch, Scheduler, WaitingCall
from brushwork_workers.batching.staggered_delivery import StaggeredDelivery
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.device.cpu import device_thread

LOGGER = logging.getLogger(__name__)


class Withdrawn(Exception):
    """The call's job has left; whatever the run gives, nobody wants it."""


@dataclass(frozen=True, eq=False)
class Caller:
    """A job, as the batcher sees it."""

    stop: StopCheck
    priority: int = 0
    alone: bool = False
    on_move: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Pending:
    """A call on its way, and where its answer goes."""

    call: ModuleCall
    options: CallOptions
    answer: Future[Any] = field(default_factory=Future)


class Batcher:
    """`ModelExecutor` that gathers: calls from many threads, one device thread.

    Inside `job()` others may wait for this thread's next call; outside nobody does.

    Args:
        max_rows: Most rows of one run.
        max_pixels: Most pixels of one run; see `CallOptions.pixels_per_row`.
        on_run: Told of every run that ended well.
        num_threads: With which torch computes on the device thread, and with one everywhere else; by default
            torch stays as it is.
    """

    def __init__(
        self,
        max_rows: int,
        max_pixels: int,
        on_run: Callable[[BatchStats], None] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self._on_run = on_run
        self._policy = Scheduler(max_rows, max_pixels)
        self._own = threading.local()
        self._changed = threading.Condition()
        self._pending: dict[WaitingCall, Pending] = {}
        self._alone: set[Hashable] = set()
        self._handout = StaggeredDelivery()
        self._num_failed = 0
        self._closed = False
        self._thread = device_thread(self._serve, num_threads)

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What `function(*args, **kwargs)` returns, from a run that others may share.

        Raises:
            Exception: What the call alone raises; a neighbour's error never arrives here.
            JobStopped: What the job's `stop` raises, before the call and while it waits.
        """
        caller: Caller | None = getattr(self._own, "caller", None)
        pending = Pending(ModuleCall.of(function, args, kwargs), options)
        self._enter(caller, self._waiting(caller, pending), pending)
        try:
            answer = pending.answer.result()
        except Withdrawn:
            if caller is not None:
                caller.stop.check()
            raise
        if caller is not None:
            caller.on_move()
        return answer

    @contextmanager
    def job(
        self,
        stop: StopCheck,
        *,
        model: Hashable = None,
        priority: int = 0,
        alone: bool = False,
        on_move: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Around a job's calls: at its end, nobody waits for this thread any longer."""
        caller = Caller(stop, priority, alone, on_move)
        self._own.caller = caller
        with self._changed:
            self._policy.began(caller, model)
        stop.on_stop(lambda: self._leave(caller))
        try:
            yield
        finally:
            del self._own.caller
            self._leave(caller)

    def close(self) -> None:
        """End the device thread; calls that still wait are canceled."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _waiting(self, caller: Caller | None, pending: Pending) -> WaitingCall:
        call, options = pending.call, pending.options
        key: Hashable = (call.key, options.adapters)
        who: Hashable = caller or threading.get_ident()
        # A call without rows, or one whose answers can't be cut, shares a run with nobody.
        if call.rows == 0 or call.key in self._alone or (caller is not None and caller.alone):
            key = key, who
        rows = max(1, call.rows)
        return WaitingCall(
            caller=who,
            module=call.module,
            key=key,
            since_s=time.monotonic(),
            rows=rows,
            pixels=rows * options.pixels_per_row,
            max_rows=options.max_rows,
            priority=caller.priority if caller else 0,
            comes_back=caller is not None,
        )

    def _enter(self, caller: Caller | None, waiting: WaitingCall, pending: Pending) -> None:
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            # Under the lock: a wish that comes later finds the call waiting, and withdraws it.
            if caller is not None:
                caller.stop.check()
            self._pending[waiting] = pending
            self._policy.arrived(waiting)
            # Others of the last run are still to come back, one by one: the device thread need not look yet.
            if self._handout.due_s is None:
                self._changed.notify()
        self._handout.give_next()

    def _leave(self, caller: Caller) -> None:
        with self._changed:
            self._policy.left(caller)
            for waiting in [waiting for waiting in self._pending if waiting.caller is caller]:
                self._pending.pop(waiting).answer.set_exception(Withdrawn())
            self._changed.notify()
        self._handout.give_next()

    def _serve(self) -> None:
        try:
            with torch.no_grad():
                while (run := self._next_run()) is not None:
                    self._outlive(run)
        finally:
            self._end()

    def _outlive(self, run: CallBatch) -> None:
        try:
            self._run(run)
        except BaseException as error:
            # No call can be blamed, such as for a device that gives no memory back; all wait for this thread.
            LOGGER.exception("A run broke off")
            for waiting in run.calls:
                self._fail(waiting, error)

    def _end(self) -> None:
        """Whatever ended the device thread, nobody is to wait for it."""
        with self._changed:
            self._closed = True
            left, self._pending = self._pending, {}
        self._handout.give_all()
        for pending in left.values():
            pending.answer.cancel()

    def _next_run(self) -> CallBatch | None:
        with self._changed:
            while not self._closed:
                now_s = time.monotonic()
                decision = self._policy.decide(now_s)
                if isinstance(decision, CallBatch):
                    self._handout.give_all()
                    return decision
                if (due_s := self._handout.due_s) is not None and due_s <= now_s:
                    self._handout.give_next()
                self._changed.wait(_pause_s(decision.at_s, self._handout.due_s))
        return None

    def _run(self, run: CallBatch) -> None:
        run, pending = self._wanted(run)
        if not pending:
            return
        began_s = time.monotonic()
        answers = self._attempt(pending)
        if isinstance(answers, list):
            self._hand_out(run, answers)
            self._end_run(BatchStats(run, pending[0].options, began_s, time.monotonic() - began_s))
        elif isinstance(answers, torch.OutOfMemoryError):
            self._shrink(run, pending)
        elif isinstance(answers, NotShareable):
            LOGGER.info("%s runs alone from now on: %s", pending[0].options, answers)
            self._alone.add(pending[0].call.key)
            self._one_by_one(run)
        # Whose fault it was shows when each runs alone; the innocent get their answer then.
        elif len(pending) > 1:
            self._blame(run, self._one_by_one(run), answers)
        else:
            self._fail(run.calls[0], answers)

    def _wanted(self, run: CallBatch) -> tuple[CallBatch, list[Pending]]:
        """The run without the calls that were withdrawn since it was chosen."""
        with self._changed:
            # The device works: nobody who waits for it hangs.
            for waiting in self._pending:
                if isinstance(waiting.caller, Caller):
                    waiting.caller.on_move()
            calls = tuple(waiting for waiting in run.calls if waiting in self._pending)
            return replace(run, calls=calls), [self._pending[waiting] for waiting in calls]

    def _attempt(self, pending: Sequence[Pending]) -> list[Any] | BaseException:
        """The answers, or what was raised instead."""
        try:
            self._adapt(pending[0])
            return run_together([each.call for each in pending])
        except BaseException as error:
            # The frames hold the very tensors that must go before a smaller run can fit. An error of one call
            # alone keeps them, for its job's log.
            if len(pending) > 1 or isinstance(error, torch.OutOfMemoryError):
                error.__traceback__ = error.__context__ = error.__cause__ = None
            return error

    def _adapt(self, pending: Pending) -> None:
        # By module, not by method: a VAE has two.
        # Whoever hands out adapters knows which act. To remember it here too would keep the model in memory.
        if pending.options.adapters is not None:
            pending.options.adapters.activate(owner_of(pending.call.function))

    def _hand_out(self, run: CallBatch, answers: list[Any]) -> None:
        """Begin to give the answers out; returns when the device has really computed them."""
        done = launched(answers)
        with self._changed:
            self._policy.answered(run)
            for waiting in run.calls:
                # Its job has left meanwhile; it would be expected for ever.
                if waiting not in self._pending:
                    self._policy.left(waiting.caller)
        for waiting, value in zip(run.calls, answers, strict=True):
            if (answer := self._taken(waiting)) is not None:
                self._handout.add(answer, value)
        self._handout.give_next()
        # CUDA only notes down what it is to do. Without this wait, jobs would run ahead of the device, and
        # who comes later could join them only after all that was noted down.
        if done is not None:
            done.synchronize()

    def _end_run(self, ran: BatchStats) -> None:
        with self._changed:
            self._policy.ended(ran.run, ran.took_s, time.monotonic())
        if self._on_run:
            try:
                self._on_run(ran)
            except Exception:
                # Who counts must not cost the device its thread.
                LOGGER.exception("A run could not be reported")

    def _one_by_one(self, run: CallBatch) -> int:
        """Run each call alone; how many of them failed."""
        failed_before = self._num_failed
        for waiting in run.calls:
            self._run(replace(run, calls=(waiting,), reason="alone"))
        return self._num_failed - failed_before

    def _blame(self, run: CallBatch, num_failed: int, error: BaseException) -> None:
        """A run that failed while every call of it succeeds alone was too large, whatever was raised."""
        if not num_failed:
            LOGGER.warning("%d rows at once failed and each alone did not; trying fewer: %r", run.rows, error)
            with self._changed:
                self._policy.too_large(run)

    def _shrink(self, run: CallBatch, pending: Sequence[Pending]) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(run.calls) > 1:
            LOGGER.warning("%d rows of %s do not fit in memory; trying fewer", run.rows, pending[0].options)
            with self._changed:
                self._policy.out_of_memory(run)
            return
        # Once more with the cache given back: alone it is as small as it gets.
        again = self._attempt(pending)
        if isinstance(again, BaseException):
            self._fail(run.calls[0], again)
        elif (answer := self._taken(run.calls[0])) is not None:
            answer.set_result(again[0])

    def _fail(self, waiting: WaitingCall, error: BaseException) -> None:
        self._num_failed += 1
        if (answer := self._taken(waiting)) is not None:
            answer.set_exception(error)

    def _taken(self, waiting: WaitingCall) -> Future[Any] | None:
        """Where the answer goes; None if the call was withdrawn."""
        with self._changed:
            pending = self._pending.pop(waiting, None)
        return None if pending is None else pending.answer


def _pause_s(*moments: float | None) -> float | None:
    known = [moment for moment in moments if moment is not None]
    return max(0.0, min(known) - time.monotonic()) if known else None
