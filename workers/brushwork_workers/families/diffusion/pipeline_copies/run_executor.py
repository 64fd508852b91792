"""The `ModelExecutor` of one pipeline run: draws of the job, and observation of its calls."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar

from torch import nn

from brushwork_workers.batching.arguments import ModuleCall, owner_of, run_together
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.families.diffusion.pipeline_copies.component_proxies import UnsharedCall
from brushwork_workers.families.diffusion.pipeline_copies.module_state import Change, ModuleState
from brushwork_workers.families.diffusion.pipeline_copies.output_distance import TOLERANCE, distance
from brushwork_workers.families.diffusion.pipeline_copies.own_draws import OwnDraws

LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")


class CallWatch:
    """Observes the calls of some runs.

    Args:
        modules: The modules of the pipeline by their names.

    Attributes:
        drawing: Numbers (`id`) of the modules that draw from global generators.
        dependent: Numbers of the modules whose answers depend on what else is in a batch.
        changes: For each module that a run has changed, what it changed, by the name of the module.
        draws: The generators of each run.
    """

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self.drawing: set[int] = set()
        self.dependent: set[int] = set()
        self.changes: dict[str, list[Change]] = {}
        self.draws: list[OwnDraws] = []
        self._names = {id(module): name for name, module in modules.items()}
        self._last: dict[int, ModuleState] = {}
        self._calls: dict[Any, ModuleCall] = {}

    def compare_states(self, modules: dict[str, nn.Module]) -> None:
        """From now on, compare the state of each module before and after each of its calls."""
        self._last = {id(module): ModuleState(module) for module in modules.values()}

    def run(self, function: Callable[..., Any], draws: OwnDraws, *args: Any, **kwargs: Any) -> Any:
        """Run a call of a module, in the thread that runs calls."""
        module = owner_of(function)
        self._compare(module)
        had_drawn, draws.has_drawn = draws.has_drawn, False
        with draws:
            answer = function(*args, **kwargs)
        has_drawn, draws.has_drawn = draws.has_drawn, had_drawn
        self._compare(module)
        if has_drawn:
            self.drawing.add(id(module))
        else:
            self._compare_rows(module, ModuleCall.of(function, args, kwargs), answer)
        return answer

    def _compare_rows(self, module: Any, call: ModuleCall, answer: Any) -> None:
        """Note a module whose answer depends on what else is in its batch: here a call of an earlier run."""
        other = self._calls.pop(call.key, None)
        if other is None or not self._last:
            self._calls[call.key] = call
            return
        try:
            together = run_together([other, call])
        # The batcher runs such calls one by one.
        except Exception as error:
            LOGGER.debug("Calls of %s cannot share a batch: %r", self._names.get(id(module)), error)
        else:
            if distance(together[1], answer) > TOLERANCE:
                self.dependent.add(id(module))
        if id(module) in self._last:
            self._last[id(module)] = ModuleState(module)

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
        draws: The generators of the job; None if it needs none.
        drawing: Numbers (`id`) of the modules that draw from global generators when they are called.
        dependent: Numbers of the modules whose calls must not share batches.
        watch: Observes the calls; None to observe nothing.
    """

    def __init__(
        self,
        own: ModelExecutor,
        draws: OwnDraws | None,
        drawing: Collection[int] = (),
        dependent: Collection[int] = (),
        watch: CallWatch | None = None,
    ) -> None:
        self._own = own
        self._draws = draws
        self._drawing = drawing
        self._dependent = dependent
        self._watch = watch

    def call(self, options: CallOptions, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a call. See `ModelExecutor.call`."""
        owner, draws = owner_of(function), self._draws
        if draws is None:
            function = UnsharedCall(function) if id(owner) in self._dependent else function
            return self._own.call(options, function, *args, **kwargs)
        if self._watch is not None:
            function = UnsharedCall(partial(self._watch.run, function, draws), owner=owner)
        elif id(owner) in self._drawing:
            # Numbers drawn for a batch would depend on who else is in it.
            function = UnsharedCall(function, lambda: draws)
        elif id(owner) in self._dependent:
            function = UnsharedCall(function)
        with draws.suspended():
            return self._own.call(options, function, *args, **kwargs)

    def job(self, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
        """Surround the calls of a job."""
        return self._own.job(*args, **kwargs)

    def run(self, function: Callable[[], _T]) -> _T:
        """Run a function that makes many calls."""
        return self._own.run(function)

    def run_beside(
        self, functions: Sequence[Callable[[], _T]], *, on_done: Callable[[int], None] | None = None
    ) -> list[_T]:
        """Run functions of the current job at once."""
        return self._own.run_beside(functions, on_done=on_done)

    def close(self) -> None:
        """Do nothing: the executor belongs to the worker."""
