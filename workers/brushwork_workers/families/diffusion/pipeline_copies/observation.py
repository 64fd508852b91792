"""Finds out, by running a pipeline, which state of it a job changes, and whether jobs can be kept apart.

The pipeline runs for one job and then for another one. What the second job changes in a module, beyond what
the first one did, is state: a counter, a momentum, a processor that is put in for a time. A value that only
the first job writes is a constant that was computed when it was first needed, unless it is another one when
the second job comes first. A module with state is copied for each job; the copies share the weights.

Its calls also run in a batch with calls of the first job. A module whose answers depend on its neighbours
gets each call alone.

At last the second job runs again, as if it were the first. If its output is not the same, something else
keeps state, and the model is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import private, said
from torch import nn

from brushwork_workers.families.diffusion.pipeline_copies.module_state import (
    ModuleState,
    copy_with_shared_weights,
)
from brushwork_workers.families.diffusion.pipeline_copies.output_distance import TOLERANCE, distance
from brushwork_workers.families.diffusion.pipeline_copies.own_draws import python_states
from brushwork_workers.families.diffusion.pipeline_copies.run_executor import CallWatch

# Their modules keep no state, unless an observation finds some.
_LIBRARIES = frozenset({"torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "timm"})
Run = Callable[[int], Any]
"""Runs the pipeline for a job with the given seed, and returns its output."""


@dataclass
class Isolation:
    """What keeps the jobs of a pipeline apart.

    Args:
        own: Numbers (`id`) of the modules of which each job has a copy.
        drawing: Numbers of the modules that draw from global random generators.
        dependent: Numbers of the modules whose answers depend on what else is in a batch.
        draws: Whether the pipeline itself draws from global generators.
        draws_of_python: Whether anything draws from the global generators of NumPy or Python.
        watch: Observes the calls of the current run; None if it is not an observation.
    """

    own: set[int] = field(default_factory=set)
    drawing: set[int] = field(default_factory=set)
    dependent: set[int] = field(default_factory=set)
    draws: bool = False
    draws_of_python: bool = False
    watch: CallWatch | None = None

    @property
    def has_draws(self) -> bool:
        """Whether a job needs generators of its own."""
        return self.draws or self.draws_of_python or bool(self.drawing)


def is_foreign(module: nn.Module) -> bool:
    """Return whether a module, or one inside of it, has a class of no library whose modules are known."""
    return any(type(each).__module__.partition(".")[0] not in _LIBRARIES for each in module.modules())


def observe(model: str, modules: dict[str, nn.Module], isolation: Isolation, run: Run) -> None:
    """Run a pipeline several times, and note in `isolation` what its jobs need to be kept apart.

    Args:
        model: The name of the model, for errors.
        modules: The modules of the pipeline by their names.
        isolation: What is known so far. Modules of other classes count as stateful until they are observed.
        run: Runs the pipeline.

    Raises:
        ModelUnavailable: Its jobs cannot be kept apart.
    """
    isolation.own -= {id(module) for module in modules.values() if is_foreign(module)}
    pristine = {name: ModuleState(module) for name, module in modules.items()}
    watch = isolation.watch = CallWatch(modules)
    try:
        _note_draws(isolation, run)
        changed, second, third = _changed_modules(modules, pristine, watch, run)
        isolation.drawing |= watch.drawing
        isolation.dependent |= watch.dependent
        if changed:
            for name, paths in changed.items():
                _check_copy(model, name, modules[name], paths)
                pristine[name].restore()
            isolation.own |= {id(modules[name]) for name in changed}
            isolation.watch = None
            second, third = run(1), run(1)
    finally:
        isolation.watch = None
    if distance(second, third) > TOLERANCE:
        raise _refused(model)


def _note_draws(isolation: Isolation, run: Run) -> None:
    before, watch = python_states(), isolation.watch
    run(0)
    isolation.draws_of_python |= before != python_states()
    isolation.draws |= watch is not None and any(draws.has_drawn for draws in watch.draws)


def _changed_modules(
    modules: dict[str, nn.Module], pristine: dict[str, ModuleState], watch: CallWatch, run: Run
) -> tuple[dict[str, list[Any]], Any, Any]:
    """Return what jobs change in each module, and the outputs of the second job: second, and first."""
    filled = {name: ModuleState(module) for name, module in modules.items()}
    watch.compare_states(modules)
    second = run(1)
    watch.compare_states({})
    changed = dict(watch.changes)
    for state in pristine.values():
        state.restore()
    third = run(1)
    for name, module in modules.items():
        if name not in changed and (paths := filled[name].changes(ModuleState(module))):
            changed[name] = paths
    return changed, second, third


def _check_copy(model: str, name: str, module: nn.Module, changes: list[Any]) -> None:
    reason: str | None = None
    if any(change.is_weight for change in changes):
        reason = said("its weights change")
    else:
        try:
            copy_with_shared_weights(module)
        # Anything in a module may refuse to be copied.
        except Exception as error:
            reason = private(repr(error))
    if reason is not None:
        raise ModelUnavailable(
            said(
                "Model {model}: its {component} keeps state from one job to the next, and cannot be copied "
                "for each job: {reason}.",
                model=model,
                component=name,
                reason=reason,
            ),
            hint="Use another model.",
        )


def _refused(model: str) -> ModelUnavailable:
    return ModelUnavailable(
        said(
            "Model {model} gives other results for the same job after another job. It keeps state that "
            "cannot be found.",
            model=model,
        ),
        hint="Use another model.",
    )
