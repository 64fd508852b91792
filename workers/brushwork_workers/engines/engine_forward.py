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
        value_format: The number format of its values.
    """

    engine: Engine
    name: str
    precision: str
    form: str
    value_format: torch.dtype


class EngineForward:
    """The `forward` of a module with an engine.

    The first call of each new size runs in both. If the engine's answer is not within the tolerance, torch
    runs this and all later calls of that size. Torch also runs calls of another form, with active adapters,
    and those for which the engine raises an error.

    Args:
        module: The module.
        name: Its name within its model, such as `vae.decoder`.
        model: Name of the model, for the log.
        in_engine: The module in an engine.
        on_refused: Called with the reason when the engine is refused for a size.
    """

    def __init__(
        self,
        module: nn.Module,
        name: str,
        model: str,
        in_engine: ModuleEngine,
        on_refused: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._torch = module.forward
        self._name = name
        self._model = model
        self._in_engine = in_engine
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
        arguments = self._accepted(args, kwargs)
        if arguments is None:
            note_engine(self._name, TORCH)
            return self._torch(*args, **kwargs)
        sizes = arguments.sizes
        is_served = self._is_served.get(sizes)
        if is_served is None:
            return self._compared(arguments, args, kwargs)
        if is_served:
            try:
                found = self._in_engine.engine.run(self._given(arguments))
                note_engine(self._name, self._in_engine.name)
                return answer_like(self._answers[sizes], found)
            except (MemoryError, torch.OutOfMemoryError):
                raise
            # An engine must not fail a job that torch can do.
            except Exception as error:
                self._refuse(sizes, f"it raised {type(error).__name__}")
        note_engine(self._name, TORCH)
        return self._torch(*args, **kwargs)

    def _accepted(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModuleArguments | None:
        """Return the arguments if the engine has their form, else None."""
        if not may_use_engine():
            return None
        try:
            arguments = ModuleArguments.of(args, kwargs)
        except NotExportable:
            return None
        if arguments.form != self._in_engine.form:
            return None
        is_exact = self._in_engine.value_format.is_floating_point or not any(
            kind == "value" and tensor.is_floating_point()
            for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
        )
        return arguments if is_exact else None

    def _given(self, arguments: ModuleArguments) -> list[torch.Tensor]:
        """Return the tensors in the number formats of the exported module."""
        return [
            (tensor.to(self._in_engine.value_format) if kind == "value" else tensor).contiguous()
            for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
        ]

    def _compared(self, arguments: ModuleArguments, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the first call of a size in both, and return the answer of the one that serves the size."""
        answer = self._torch(*args, **kwargs)
        precision, sizes = self._in_engine.precision, arguments.sizes
        if len(self._is_served) >= MAX_SIZES:
            self._is_served.clear()
            self._answers.clear()
        try:
            expected = tensors_of(answer)
            found = self._in_engine.engine.run(self._given(arguments))
            distance = difference(expected, found, precision)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            self._refuse(sizes, f"it raised {type(error).__name__}: {error}")
        else:
            if distance <= TOLERANCES[precision]:
                self._is_served[sizes] = True
                # The structure alone: the tensors of this answer belong to a job.
                self._answers[sizes] = answer_like(answer, [torch.empty(0)] * len(expected))
                note_engine(self._name, self._in_engine.name)
                return answer_like(answer, found)
            limit = TOLERANCES[precision]
            self._refuse(sizes, f"it differs from torch by {distance:.2g}, more than {limit:g}")
        note_engine(self._name, TORCH)
        return answer

    def _refuse(self, sizes: Any, reason: str) -> None:
        self._is_served[sizes] = False
        LOGGER.warning(
            "Model %s: %s does not run %s for arguments of %s: %s; torch runs them",
            self._model,
            self._in_engine.name,
            self._name,
            sizes,
            reason,
        )
        self._on_refused(reason)
