"""Replaces the `forward` of a module: calls that an engine has a form for run in the engine."""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from brushwork_workers.batching.engine_use import TORCH, may_use_engine, note_engine
from brushwork_workers.engines.comparison import TOLERANCES, difference
from brushwork_workers.engines.engine import Engine
from brushwork_workers.engines.module_arguments import (
    ModuleArguments,
    NotExportable,
    answer_like,
    tensors_of,
)

LOGGER = logging.getLogger(__name__)
# Each size of picture is one entry, so their number must be bounded.
MAX_SIZES = 4096


@dataclass(frozen=True)
class ModuleEngine:
    """A module in an engine.

    Args:
        engine: Runs the module.
        name: Name of the engine.
        precision: Number format that the engine computes in.
        form: The form of the arguments that it takes.
        value_format: The number format of its values; None if it takes any.
    """

    engine: Engine
    name: str
    precision: str
    form: str
    value_format: torch.dtype | None = None


Find = Callable[[ModuleArguments], ModuleEngine | None]
"""Returns the engine for arguments; None if torch has to run them."""


class EngineForward:
    """The `forward` of a module with an engine.

    The first call of each new size runs in both. If the engine's answer is not within the tolerance, torch
    runs this and all later calls of that size. Torch also runs calls of another form, with active adapters,
    and those for which the engine raises an error.

    Args:
        module: The module.
        name: Its name within its model, such as `vae.decoder`.
        model: Name of the model, for the log.
        find: Returns the engine for the arguments of a call.
        on_refused: Called with the reason when the engine is refused for a size.
    """

    def __init__(
        self,
        module: nn.Module,
        name: str,
        model: str,
        find: Find,
        on_refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._torch = module.forward
        self._name = name
        self._model = model
        self._find = find
        self._on_refused = on_refused
        self._is_served: dict[Any, bool] = {}
        self._answers: dict[Any, Any] = {}
        # Pipelines inspect which arguments a module takes.
        functools.update_wrapper(self, self._torch)

    @property
    def is_served(self) -> bool:
        """Whether the engine has served a call, and none of its answers was refused."""
        return bool(self._is_served) and all(self._is_served.values())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the module."""
        arguments = _flattened(args, kwargs) if may_use_engine() else None
        in_engine = None if arguments is None else self._find(arguments)
        if arguments is None or in_engine is None or not _is_exact(arguments, in_engine.value_format):
            return self._in_torch(args, kwargs)
        key = in_engine.form, arguments.sizes
        if key not in self._is_served:
            return self._compared(in_engine, arguments, args, kwargs)
        if not self._is_served[key]:
            return self._in_torch(args, kwargs)
        try:
            found = in_engine.engine.run(_given(arguments, in_engine.value_format))
        except (MemoryError, torch.OutOfMemoryError):
            raise
        # An engine must not fail a job that torch can do.
        except Exception as error:
            self._refuse(in_engine, key, f"it raised {type(error).__name__}: {error}")
            return self._in_torch(args, kwargs)
        note_engine(self._name, in_engine.name)
        return answer_like(self._answers[key], found)

    def _in_torch(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        note_engine(self._name, TORCH)
        return self._torch(*args, **kwargs)

    def _compared(
        self,
        in_engine: ModuleEngine,
        arguments: ModuleArguments,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run the first call of a size in both, and return the answer of the one that serves the size."""
        answer = self._torch(*args, **kwargs)
        precision, key = in_engine.precision, (in_engine.form, arguments.sizes)
        if len(self._is_served) >= MAX_SIZES:
            self._is_served.clear()
            self._answers.clear()
        try:
            expected = tensors_of(answer)
            found = in_engine.engine.run(_given(arguments, in_engine.value_format))
            distance = difference(expected, found, precision)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            self._refuse(in_engine, key, f"it raised {type(error).__name__}: {error}")
            return answer
        if distance > TOLERANCES[precision]:
            limit = TOLERANCES[precision]
            self._refuse(in_engine, key, f"it differs from torch by {distance:.2g}, more than {limit:g}")
            return answer
        self._is_served[key] = True
        # The structure alone: the tensors of this answer belong to a job.
        self._answers[key] = answer_like(answer, [torch.empty(0)] * len(expected))
        note_engine(self._name, in_engine.name)
        return answer_like(answer, found)

    def _refuse(self, in_engine: ModuleEngine, key: Any, reason: str) -> None:
        self._is_served[key] = False
        note_engine(self._name, TORCH)
        LOGGER.warning(
            "Model %s: %s does not run %s for arguments of %s: %s; torch runs them",
            self._model,
            in_engine.name,
            self._name,
            key[1],
            reason,
        )
        self._on_refused(reason)


def _flattened(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModuleArguments | None:
    try:
        return ModuleArguments.of(args, kwargs)
    except NotExportable:
        return None


def _is_exact(arguments: ModuleArguments, value_format: torch.dtype | None) -> bool:
    """Return whether no value is rounded to a whole number."""
    return (
        value_format is None
        or value_format.is_floating_point
        or not any(
            kind == "value" and tensor.is_floating_point()
            for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
        )
    )


def _given(arguments: ModuleArguments, value_format: torch.dtype | None) -> list[torch.Tensor]:
    """Return the tensors in the number formats that the engine takes."""
    return [
        (tensor.to(value_format) if value_format and kind == "value" else tensor).contiguous()
        for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
    ]
