"""Which engine ran the modules of a call, and whether a call may use an engine at all.

A module with an engine asks here, in the thread that runs the call; see `engines`. Adapters change what a
module computes, and an engine has the module without adapters. So a call whose adapters are active runs in
torch.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from brushwork_workers.batching.arguments import owner_of
from brushwork_workers.batching.call_options import CallOptions

TORCH = "torch"
EngineNames = dict[str, set[str]]
OnEngines = Callable[[Mapping[str, set[str]]], None]
"""Gets, for each module with an engine, the names of what has run it in a call."""


class _Running(threading.local):
    """The state of the call that this thread runs."""

    may_use_engine: bool = True
    names: EngineNames | None = None


_RUNNING = _Running()


@contextmanager
def prepared(options: CallOptions, function: Callable[..., Any]) -> Iterator[EngineNames]:
    """Activate the adapters of a call that runs inside the block.

    Args:
        options: Options of the call.
        function: The module that is called, or a bound method of one.

    Yields:
        What runs each module that has an engine; it is filled while the call runs.
    """
    adapters = options.adapters
    if adapters is not None:
        adapters.activate(owner_of(function))
    names: EngineNames = {}
    _RUNNING.may_use_engine = adapters is None or bool(getattr(adapters, "is_neutral", False))
    _RUNNING.names = names
    try:
        yield names
    finally:
        _RUNNING.may_use_engine, _RUNNING.names = True, None


def may_use_engine() -> bool:
    """Return whether the call that this thread runs has no active adapters."""
    return _RUNNING.may_use_engine


def note_engine(module: str, engine: str) -> None:
    """Record what runs a module in the call that this thread runs.

    Args:
        module: Name of the module within its model.
        engine: Name of the engine, or `TORCH`.
    """
    if _RUNNING.names is not None:
        _RUNNING.names.setdefault(module, set()).add(engine)
