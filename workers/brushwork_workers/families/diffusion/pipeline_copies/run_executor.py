"""The `ModelExecutor` of one pipeline run: draws of the job, and observation of its calls."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

from torch import nn

from brushwork_workers.batching.arguments import owner_of
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.families.diffusion.pipeline_copies.component_proxies import UnsharedCall
from brushwork_workers.families.diffusion.pipeline_copies.module_state import Change, ModuleState
from brushwork_workers.families.diffusion.pipeline_copies.own_draws import OwnDraws

_T = TypeVar("_T")


class CallWatch:
    """Observes the calls of some runs.

    Args:
        modules: The modules of the pipeline by their names.

    Attributes:
        drawing: Numbers (`id`) of the modules that draw from global generators.
        changes: For each module that a run has changed, what it changed, by the name of the module.
    """

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self.drawing: set[int] = set()
        self.changes: dict[str, list[Change]] = {}
        self.draws: list[OwnDraws] = []
        self._names = {id(module): name for name, module in modules.items()}
        self._last: dict[int, ModuleState] = {}

    def compare_states(self, modules: dict[str, nn.Module]) -> None:
        """From now on, compare the state of each module before and after each of its calls."""
        self._last = {id(module): ModuleState(module) for module in modules.values()}

    @contextmanager
    def call(self, module: Any, draws: OwnDraws) -> Iterator[None]:
        """Surround a call of a module."""
        self._compare(module)
        with draws:
            had_drawn, draws.has_drawn = draws.has_drawn, False
            yield
            if draws.has_drawn:
                self.drawing.add(id(module))
            draws.has_drawn = had_drawn
        self._compare(module)

    def _compare(self, module: Any) -> None:
        """Note what has changed since the last call: by the call itself, or by the pipeline before it."""
        if id(module) in self._last:
            state = ModuleState(module)
            if changes := self._last[id(module)].changes(state):
                self.changes.setdefault(self._names[id(module)], []).extend(changes)
            self._last[id(module)] = state


class RunExecutor:
    """Passes calls on to another `ModelExecutor`.

    Args:
        own: Runs the calls.
        draws: The generators of the job.
        drawing: Numbers (`id`) of the modules that draw from global generators when they are called.
        watch: Observes the calls; None to observe nothing.
    """

    def __init__(
        self, own: ModelExecutor, draws: OwnDraws, drawing: Collection[int], watch: CallWatch | None = None
    ) -> None:
        self._own = own
        self._draws = draws
        self._drawing = drawing
        self._watch = watch

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a call. See `ModelExecutor.call`."""
        owner = owner_of(function)
        if self._watch is not None:
            function = UnsharedCall(function, partial(self._watch.call, owner, self._draws))
        elif id(owner) in self._drawing:
            # Numbers drawn for a batch would depend on who else is in it.
            function = UnsharedCall(function, lambda: self._draws)
        with self._draws.suspended():
            return self._own.call(options, function, *args, **kwargs)

    def job(self, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
        """Surround the calls of a job."""
        return self._own.job(*args, **kwargs)

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function that makes many calls."""
        return self._own.run(function)

    def close(self) -> None:
        """Do nothing: the executor belongs to the worker."""
