"""The seam between a job's thread and a model: every heavy call goes through `ModelExecutor`.

A job runs the unmodified upstream pipeline. Proxies replace its heavy modules and pass each call to the
`ModelExecutor`. `SerialExecutor` runs one call at a time; `batching.batcher.Batcher` gathers the calls of
several jobs into one. No other module depends on which of the two is used.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Protocol

import torch

from brushwork_workers.batching.arguments import owner_of
from brushwork_workers.batching.call_options import CallOptions


class StopCheck(Protocol):
    """The wish that a job should not go on; it may come at any moment, from any thread."""

    def check(self) -> None:
        """Raise what ends the job, if it should end."""
        ...

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once the wish is there; at once if it is there already."""
        ...


def _nothing() -> None:
    return


class ModelExecutor(Protocol):
    """Runs a heavy call for a job's thread, which waits for the answer."""

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What `function(*args, **kwargs)` returns, without gradients.

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
        on_move: Callable[[], None] = _nothing,
    ) -> AbstractContextManager[None]:
        """Around all calls of one job by this thread.

        Args:
            stop: Asked at every call whether the job goes on.
            model: Jobs of one model call its modules in the same order.
            priority: Higher is more urgent.
            alone: Share no run with other jobs.
            on_move: Called, from whatever thread, when the job has an answer, and whenever the device that it
                waits for goes on with something.
        """
        ...

    def close(self) -> None:
        """End what runs in the background; a process that ends in the midst of a call is aborted."""
        ...


class SerialExecutor:
    """One call at a time, in the thread that asks."""

    def __init__(self) -> None:
        self._device_is_free = threading.Lock()
        self._waiting: set[Callable[[], None]] = set()
        self._own = threading.local()

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Wait for the device, then call."""
        # Not inference_mode: schedulers write into what a model returned, which that mode forbids.
        with self._turn(), torch.no_grad():
            if options.adapters is not None:
                options.adapters.activate(owner_of(function))
            return function(*args, **kwargs)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The device is this thread's inside; whoever waits for it moves as long as it does."""
        stop: StopCheck | None = getattr(self._own, "stop", None)
        moves = getattr(self._own, "moves", _nothing)
        self._waiting.add(moves)
        with self._device_is_free:
            self._waiting.discard(moves)
            if stop is not None:
                stop.check()
            yield
            for move in [moves, *self._waiting]:
                move()

    @contextmanager
    def job(
        self,
        stop: StopCheck,
        *,
        model: Hashable = None,
        priority: int = 0,
        alone: bool = False,
        on_move: Callable[[], None] = _nothing,
    ) -> Iterator[None]:
        """Every job is alone here, and the lock knows no priority."""
        self._own.stop, self._own.moves = stop, on_move
        try:
            yield
        finally:
            del self._own.stop, self._own.moves

    def close(self) -> None:
        """There is nothing in the background."""


class ModuleProxy:
    """Looks like a module and passes its calls to `ModelExecutor`; all else is the module's own.

    `isinstance` sees the module's class, because pipelines ask for it. A stand-in holds no state, so any
    number of them may stand for one module.

    Args:
        module: What is stood in for: a torch module, or a tokenizer.
        calls: Who runs the calls.
        options: On what terms.
        methods: Heavy methods besides the call itself, such as a VAE's `decode`; None means every method.
    """

    def __init__(
        self, module: Any, calls: ModelExecutor, options: CallOptions, methods: Collection[str] | None = ()
    ) -> None:
        self.__dict__.update(_module=module, _call=partial(calls.call, options), _methods=methods)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module through `ModelExecutor`."""
        return self._call(self._module, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._module, name)
        is_heavy = callable(own) if self._methods is None else name in self._methods
        return partial(self._call, own) if is_heavy else own

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._module)
