"""The seam between a job's thread and a model: every heavy call goes through `Calls`.

A job runs the unmodified upstream pipeline; its heavy modules are replaced by stand-ins, which hand each
call to `Calls`. `DirectCalls` runs one call at a time on the device. Whatever gathers the calls of several
jobs into one takes its place here, and nothing else has to know.
"""

import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Protocol

import torch


class Calls(Protocol):
    """Runs a heavy call for a job's thread, which waits for the answer."""

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What `function(*args, **kwargs)` returns, without gradients."""
        ...

    def job(self) -> AbstractContextManager[None]:
        """Around all calls of one job by this thread."""
        ...


class DirectCalls:
    """One call at a time, in the thread that asks."""

    def __init__(self) -> None:
        self._device_is_free = threading.Lock()

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Wait for the device, then call."""
        # Not inference_mode: schedulers write into what a model returned, which that mode forbids.
        with self._device_is_free, torch.no_grad():
            return function(*args, **kwargs)

    def job(self) -> AbstractContextManager[None]:
        """Nothing is kept for a job."""
        return nullcontext()


class StandIn:
    """Looks like a module and passes its calls to `Calls`; all else is the module's own.

    `isinstance` sees the module's class, because pipelines ask for it. A stand-in holds no state, so any
    number of them may stand for one module.

    Args:
        module: What is stood in for: a torch module, or a tokenizer.
        calls: Who runs the calls.
        methods: Heavy methods besides the call itself, such as a VAE's `decode`; None means every method.
    """

    def __init__(self, module: Any, calls: Calls, methods: Collection[str] | None = ()) -> None:
        self.__dict__.update(_module=module, _calls=calls, _methods=methods)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module through `Calls`."""
        return self._calls.call(self._module, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._module, name)
        is_heavy = callable(own) if self._methods is None else name in self._methods
        return partial(self._calls.call, own) if is_heavy else own

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._module)
