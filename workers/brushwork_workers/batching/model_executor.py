"""The interface between a job's thread and a model: every heavy call goes through a `ModelExecutor`.

A job runs the unmodified upstream pipeline. Proxies replace its heavy modules and pass each call to the
`ModelExecutor`. `SerialExecutor` runs one call at a time; `batching.batcher.Batcher` runs calls of several
jobs as one. No other module depends on which of the two is used.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch

from brushwork_workers.batching.call_options import Adapters, CallOptions
from brushwork_workers.batching.engine_use import OnEngines, prepared
from brushwork_workers.batching.shared_device import SharedDevice
from brushwork_workers.device.cpu import LongCalls

_T = TypeVar("_T")


class StopCheck(Protocol):
    """Tells whether a job must stop. This may change at any moment, in any thread."""

    def check(self) -> None:
        """Raise an exception if the job must stop."""
        ...

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the job must stop; at once if it must already."""
        ...


def _nothing() -> None:
    return


def _no_engines(names: Mapping[str, set[str]]) -> None:
    return


class ModelExecutor(Protocol):
    """Runs the heavy calls of models. Safe to use from any thread."""

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run `function(*args, **kwargs)` without gradients, wait for it, and return what it returns.

        Args:
            options: Options of the called module.
            function: A module, or a bound method of one.
            *args: Arguments of the call.
            **kwargs: Keyword arguments of the call.

        Raises:
            JobStopped: What the job's `stop` raises, before the call and while it waits.
        """
        ...

    def job(
        self,
        stop: StopCheck,
        *,
        model: Hashable = None,
        priority: int = 0,
        alone: bool = False,
        on_progress: Callable[[], None] = _nothing,
        on_engines: OnEngines = _no_engines,
    ) -> AbstractContextManager[None]:
        """Surround all calls of one job that this thread makes.

        Args:
            stop: Checked at every call.
            model: Name of the model. Jobs of one model are expected to call its modules in the same order.
            priority: Steps of priority; a higher number is more urgent, 0 is normal.
            alone: Whether the calls must not share a batch with calls of other jobs.
            on_progress: Called, in any thread, when a call has its answer, and when the device starts the
                next batch while a call waits.
            on_engines: Called in the job's thread after each call, with what has run each module that has an
                engine.
        """
        ...

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function that makes many calls and does little between them, such as a pipeline.

        It may run in another thread, in turns with those of other jobs, but with the context variables of its
        caller. So apart from its calls it must not wait for anything.

        Args:
            function: Called once.
        """
        ...

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run functions of the current job at once, so that their calls gather, and return their results.

        Their calls are extra calls: they run after the own calls of all jobs, and still run in the end. Some
        of the functions run at a time, so a list may be long. They may run in other threads, but with the
        context variables of the caller, and apart from their calls they must not wait for anything. A job
        whose calls run alone shares none of these either.

        Args:
            functions: Each is called at most once.
            on_done: Called with the number of functions that have ended, in any thread, but never by two at
                once. It must be quick and make no calls.

        Raises:
            Exception: The first error of a function or of `on_done`. The calls of the others are withdrawn,
                and functions that have not begun do not begin.
            JobStopped: What the job's `stop` raises.
        """
        ...

    def close(self) -> None:
        """End the background thread: a process that exits in the middle of a call is aborted."""
        ...


class SerialExecutor:
    """A `ModelExecutor` that runs one call at a time, in the thread of the caller."""

    def __init__(self) -> None:
        self._long_calls = LongCalls()
        self._device = SharedDevice()
        self._waiting: set[Callable[[], None]] = set()
        self._local = threading.local()

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Wait until the device is free, then run the call."""
        # Not inference_mode: schedulers write into what a model returned, which that mode forbids.
        long_call = self._long_calls.call(str(options))
        with self._device_of_job(), long_call, torch.no_grad(), prepared(options, function) as engines:
            answer = function(*args, **kwargs)
        getattr(self._local, "on_engines", _no_engines)(engines)
        return answer

    @contextmanager
    def _device_of_job(self) -> Iterator[None]:
        """Hold the device inside the block. At its end, all callers that wait for the device are notified."""
        stop: StopCheck | None = getattr(self._local, "stop", None)
        on_progress = getattr(self._local, "on_progress", _nothing)
        self._waiting.add(on_progress)
        with self._device.held(is_extra=getattr(self._local, "is_extra", False)):
            self._waiting.discard(on_progress)
            if stop is not None:
                stop.check()
            yield
            for notify in [on_progress, *self._waiting]:
                notify()

    @contextmanager
    def job(
        self,
        stop: StopCheck,
        *,
        model: Hashable = None,
        priority: int = 0,
        alone: bool = False,
        on_progress: Callable[[], None] = _nothing,
        on_engines: OnEngines = _no_engines,
    ) -> Iterator[None]:
        """Surround the calls of a job. Calls never share a batch here, and the lock ignores `priority`."""
        self._local.stop, self._local.on_progress = stop, on_progress
        self._local.on_engines = on_engines
        try:
            yield
        finally:
            del self._local.stop, self._local.on_progress, self._local.on_engines

    def run(self, function: Callable[[], _T]) -> _T:
        """Run the function in this thread."""
        return function()

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run the functions one after another in this thread."""
        results = []
        before, self._local.is_extra = getattr(self._local, "is_extra", False), True
        try:
            for function in functions:
                if (stop := getattr(self._local, "stop", None)) is not None:
                    stop.check()
                results.append(function())
                if on_done is not None:
                    on_done(len(results))
        finally:
            self._local.is_extra = before
        return results

    def close(self) -> None:
        """Do nothing: there is no background thread."""


def set_adapters(proxy: Any, adapters: Adapters | None) -> None:
    """Let the calls of a proxy name another state of its module.

    Args:
        proxy: A `ModuleProxy` of one job.
        adapters: The state.
    """
    call = proxy.__dict__["_call"]
    proxy.__dict__["_call"] = partial(call.func, replace(call.args[0], adapters=adapters))


class ModuleProxy:
    """Replaces a module and passes its calls to a `ModelExecutor`; other attributes are the module's own.

    `isinstance` sees the module's class, because pipelines check it. A proxy holds no state, so a module may
    have any number of them.

    Args:
        module: The replaced object: a torch module, or a tokenizer.
        calls: Runs the calls.
        options: Options of the calls.
        methods: Heavy methods besides the call itself, such as a VAE's `decode`; None means every method.
    """

    def __init__(
        self, module: Any, calls: ModelExecutor, options: CallOptions, methods: Collection[str] | None = ()
    ) -> None:
        self.__dict__.update(_module=module, _call=partial(calls.call, options), _methods=methods)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module through the `ModelExecutor`."""
        return self._call(self._module, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._module, name)
        is_heavy = callable(own) if self._methods is None else name in self._methods
        return partial(self._call, own) if is_heavy else own

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._module)
