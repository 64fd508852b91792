"""The device thread: runs the batches that the scheduler chooses, and gives each caller its answer."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import replace
from typing import Any, TypeVar

import torch

from brushwork_workers.batching.arguments import (
    ModuleCall,
    NotShareable,
    completion_event,
    run_together,
)
from brushwork_workers.batching.beside_run import BesideRun
from brushwork_workers.batching.call_groups import CallBatch, WaitingCall
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.callers import Caller, CallWithdrawn, NeverStops, PendingCall
from brushwork_workers.batching.cooperative_thread import (
    CooperativeThread,
    current_thread,
    switching_thread,
    wait_for,
)
from brushwork_workers.batching.engine_use import OnEngines, prepared
from brushwork_workers.batching.model_executor import StopCheck
from brushwork_workers.batching.scheduler import Scheduler
from brushwork_workers.batching.staggered_delivery import StaggeredDelivery
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.device.accelerator import empty_cache
from brushwork_workers.device.cpu import LongCalls, device_thread

LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")


class Batcher:
    """A `ModelExecutor` that batches: it takes calls from many threads and runs them in one device thread.

    Inside `job()` other calls may wait for this thread's next call; outside they do not.

    Args:
        max_rows: Most rows of one batch.
        max_pixels: Most pixels of one batch; see `CallOptions.pixels_per_row`.
        on_batch: Called after every successful batch.
        num_threads: Number of CPU threads that torch uses on the device thread; everywhere else it uses one.
            None leaves torch's setting unchanged.
        is_cooperative: Whether `run` runs all functions in one thread, in turns. Otherwise each runs in the
            thread of its job.
    """

    def __init__(
        self,
        max_rows: int,
        max_pixels: int,
        on_batch: Callable[[BatchStats], None] | None = None,
        num_threads: int | None = None,
        *,
        is_cooperative: bool = False,
    ) -> None:
        self._on_batch = on_batch
        self._scheduler = Scheduler(max_rows, max_pixels)
        # Not a variable of the thread: a pipeline may run in another thread than its job.
        self._caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
        self._changed = threading.Condition()
        self._pending: dict[WaitingCall, PendingCall] = {}
        self._not_shareable: set[Hashable] = set()
        self._delivery = StaggeredDelivery()
        self._num_failed = 0
        self._is_closed = False
        self._pipelines = CooperativeThread("pipelines", self._notify) if is_cooperative else None
        self._long_calls = LongCalls()
        self._thread = device_thread(self._serve, num_threads)

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return what `function(*args, **kwargs)` returns, from a batch that other calls may share.

        Raises:
            Exception: What the call raises when it runs alone; never an error of another call.
            JobStopped: What the job's `stop` raises, before the call and while it waits.
        """
        caller = self._caller.get()
        pending = PendingCall(ModuleCall.of(function, args, kwargs), options, switching_thread())
        self._enter(caller, self._waiting_call(caller, pending), pending)
        try:
            answer = wait_for(pending.answer)
        except CallWithdrawn:
            if caller is not None:
                caller.stop.check()
            raise
        if caller is not None:
            caller.on_progress()
            caller.on_engines(pending.engines)
        return answer

    @contextmanager
    def job(
        self,
        stop: StopCheck,
        *,
        model: Hashable = None,
        priority: int = 0,
        alone: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        on_engines: OnEngines = lambda names: None,
    ) -> Iterator[None]:
        """Surround the calls of a job. At the end of the block, no call waits for this thread any longer."""
        caller = Caller(stop, model, priority, alone, on_progress, on_engines)
        with self._changed:
            self._scheduler.caller_began(caller, model)
        stop.on_stop(lambda: self._leave(caller))
        with self._calls_of(caller):
            yield

    @contextmanager
    def _calls_of(self, caller: Caller) -> Iterator[None]:
        token = self._caller.set(caller)
        try:
            yield
        finally:
            self._caller.reset(token)
            self._leave(caller)

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function that makes many calls. See `ModelExecutor.run`."""
        return function() if self._pipelines is None else self._pipelines.run(function)

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run functions of the current job at once. See `ModelExecutor.run_beside`."""
        parent = self._caller.get() or Caller(NeverStops())
        run = BesideRun(functions, on_done, parent, self._leave)
        with self._changed:
            # It waits for the functions, so nobody needs to wait for it.
            self._scheduler.caller_pauses(parent)
            for caller in run.callers:
                self._scheduler.caller_began(caller, caller.model, is_extra=True)
        try:
            self._run_at_once(run.lanes(self._calls_of))
        finally:
            for caller in run.callers:
                self._leave(caller)
        return run.results()

    def _run_at_once(self, lanes: Sequence[Callable[[], None]]) -> None:
        if self._pipelines is None:
            with ThreadPoolExecutor(max(1, len(lanes)), thread_name_prefix="beside") as threads:
                for lane in lanes:
                    threads.submit(copy_context().run, lane)
        elif current_thread() is self._pipelines and switching_thread() is None:
            # Nobody else can go on in this thread, so the first one runs all functions, one after another.
            for lane in lanes:
                lane()
        else:
            for ended in self._pipelines.run_behind(lanes):
                wait_for(ended)

    def close(self) -> None:
        """End the device thread; calls that still wait are canceled."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        if self._pipelines is not None:
            self._pipelines.close()

    def _waiting_call(self, caller: Caller | None, pending: PendingCall) -> WaitingCall:
        call, options = pending.call, pending.options
        key: Hashable = (call.key, options.adapters)
        identity: Hashable = caller or threading.get_ident()
        # A call without rows, or one whose answer cannot be sliced, shares a batch with no other call.
        if call.rows == 0 or call.key in self._not_shareable or (caller is not None and caller.alone):
            key = key, identity
        rows = max(1, call.rows)
        return WaitingCall(
            caller=identity,
            module=call.module,
            key=key,
            since_s=time.monotonic(),
            rows=rows,
            pixels=rows * options.pixels_per_row,
            max_rows=options.max_rows,
            priority=caller.priority if caller else 0,
            comes_back=caller is not None,
            job_since_s=caller.since_s if caller else None,
            is_extra=caller is not None and caller.is_extra,
        )

    def _enter(self, caller: Caller | None, waiting: WaitingCall, pending: PendingCall) -> None:
        with self._changed:
            if self._is_closed:
                raise RuntimeError("The batcher is closed.")
            # Under the lock: a stop that comes later finds the call waiting, and withdraws it.
            if caller is not None:
                caller.stop.check()
            self._pending[waiting] = pending
            self._scheduler.call_arrived(waiting)
            # Other callers of the last batch still return one by one, so the device thread need not look yet.
            # A cooperative thread tells it when all its callers have called.
            if self._delivery.due_s is None and pending.thread is None:
                self._changed.notify()
        self._delivery.deliver_next()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify()

    def _leave(self, caller: Caller) -> None:
        with self._changed:
            self._scheduler.caller_left(caller)
            for waiting in [waiting for waiting in self._pending if waiting.caller is caller]:
                self._pending.pop(waiting).answer.set_exception(CallWithdrawn())
            self._changed.notify()
        self._delivery.deliver_next()

    def _serve(self) -> None:
        try:
            with torch.no_grad():
                while (batch := self._next_batch()) is not None:
                    with self._long_calls.call(batch.calls[0].module):
                        self._run_safely(batch)
        finally:
            self._end()

    def _run_safely(self, batch: CallBatch) -> None:
        try:
            self._run(batch)
        except BaseException as error:
            # No single call is the cause, for example of a device that frees no memory. The thread must go
            # on.
            LOGGER.exception("A batch could not be run")
            for waiting in batch.calls:
                self._fail(waiting, error)

    def _end(self) -> None:
        """Cancel all calls, whatever has ended the device thread."""
        with self._changed:
            self._is_closed = True
            left, self._pending = self._pending, {}
        self._delivery.deliver_all()
        for pending in left.values():
            pending.answer.cancel()

    def _next_batch(self) -> CallBatch | None:
        with self._changed:
            while not self._is_closed:
                now_s = time.monotonic()
                callers_run = self._pipelines is not None and self._pipelines.runs_first
                extra_run = self._pipelines is not None and not self._pipelines.is_idle
                decision = self._scheduler.next_batch(now_s, callers_run=callers_run, extra_run=extra_run)
                if isinstance(decision, CallBatch):
                    self._delivery.deliver_all()
                    return decision
                if (due_s := self._delivery.due_s) is not None and due_s <= now_s:
                    self._delivery.deliver_next()
                self._changed.wait(_seconds_until(decision.at_s, self._delivery.due_s))
        return None

    def _run(self, batch: CallBatch) -> None:
        batch, pending = self._still_pending(batch)
        if not pending:
            return
        began_s = time.monotonic()
        answers = self._attempt(pending)
        if isinstance(answers, list):
            self._deliver(batch, answers)
            self._end_batch(BatchStats(batch, pending[0].options, began_s, time.monotonic() - began_s))
        elif isinstance(answers, torch.OutOfMemoryError):
            self._shrink(batch, pending)
        elif isinstance(answers, NotShareable):
            LOGGER.info("Calls of %s cannot share a batch: %s", pending[0].options, answers)
            self._not_shareable.add(pending[0].call.key)
            self._run_one_by_one(batch)
        # Running each call alone shows which one is the cause; the others get their answers then.
        elif len(pending) > 1:
            self._shrink_if_too_large(batch, self._run_one_by_one(batch), answers)
        else:
            self._fail(batch.calls[0], answers)

    def _still_pending(self, batch: CallBatch) -> tuple[CallBatch, list[PendingCall]]:
        """The batch without the calls that were withdrawn since it was chosen."""
        with self._changed:
            # The device works, so no job that waits for it is hung.
            for waiting in self._pending:
                if isinstance(waiting.caller, Caller):
                    waiting.caller.on_progress()
            calls = tuple(waiting for waiting in batch.calls if waiting in self._pending)
            return replace(batch, calls=calls), [self._pending[waiting] for waiting in calls]

    def _attempt(self, pending: Sequence[PendingCall]) -> list[Any] | BaseException:
        """The answers, or what was raised instead."""
        try:
            # The adapters know which of them are active; remembering it here would keep the model in memory.
            with prepared(pending[0].options, pending[0].call.function) as engines:
                answers = run_together([each.call for each in pending])
            for each in pending:
                each.engines.update(engines)
            return answers
        except BaseException as error:
            # The frames hold the very tensors that must be freed before a smaller batch can fit. An error of
            # a single call keeps its traceback, for the job's log.
            if len(pending) > 1 or isinstance(error, torch.OutOfMemoryError):
                error.__traceback__ = error.__context__ = error.__cause__ = None
            return error

    def _deliver(self, batch: CallBatch, answers: list[Any]) -> None:
        """Start to deliver the answers, and wait until the device has really computed them."""
        completed = completion_event(answers)
        with self._changed:
            self._scheduler.batch_answered(batch)
            for waiting in batch.calls:
                # Its job has left meanwhile; else it would be expected for ever.
                if waiting not in self._pending:
                    self._scheduler.caller_left(waiting.caller)
        for waiting, value in zip(batch.calls, answers, strict=True):
            if (pending := self._taken(waiting)) is None:
                continue
            if pending.thread is not None:
                pending.answer.set_result(value)
            else:
                self._delivery.add(pending.answer, value)
        self._delivery.deliver_next()
        # An accelerator only queues its work. Without this wait, jobs would run ahead of the device, and
        # a job that comes later could join them only after all of the queued work.
        if completed is not None:
            completed.synchronize()

    def _end_batch(self, stats: BatchStats) -> None:
        with self._changed:
            self._scheduler.batch_ended(stats.batch, stats.took_s, time.monotonic())
        if self._on_batch:
            try:
                self._on_batch(stats)
            except Exception:
                # An error in the statistics must not end the device thread.
                LOGGER.exception("A batch could not be counted")

    def _run_one_by_one(self, batch: CallBatch) -> int:
        """Run each call alone, and return how many of them failed."""
        failed_before = self._num_failed
        for waiting in batch.calls:
            self._run(replace(batch, calls=(waiting,), reason="alone"))
        return self._num_failed - failed_before

    def _shrink_if_too_large(self, batch: CallBatch, num_failed: int, error: BaseException) -> None:
        """If each call of a failed batch succeeds alone, the batch was too large, whatever it raised."""
        if not num_failed:
            LOGGER.warning("A batch of %d rows failed, its calls alone did not: %r", batch.rows, error)
            with self._changed:
                self._scheduler.batch_too_large(batch)

    def _shrink(self, batch: CallBatch, pending: Sequence[PendingCall]) -> None:
        empty_cache()
        if len(batch.calls) > 1:
            LOGGER.warning(
                "%d rows of %s do not fit into memory; trying fewer", batch.rows, pending[0].options
            )
            with self._changed:
                self._scheduler.batch_out_of_memory(batch)
            return
        # Once more with the cache emptied: a single call cannot be made smaller.
        again = self._attempt(pending)
        if isinstance(again, BaseException):
            self._fail(batch.calls[0], again)
        elif (taken := self._taken(batch.calls[0])) is not None:
            taken.answer.set_result(again[0])

    def _fail(self, waiting: WaitingCall, error: BaseException) -> None:
        self._num_failed += 1
        if (pending := self._taken(waiting)) is not None:
            pending.answer.set_exception(error)

    def _taken(self, waiting: WaitingCall) -> PendingCall | None:
        """Remove a pending call and return it; None if the call was withdrawn."""
        with self._changed:
            return self._pending.pop(waiting, None)


def _seconds_until(*times_s: float | None) -> float | None:
    known = [at_s for at_s in times_s if at_s is not None]
    return max(0.0, min(known) - time.monotonic()) if known else None
