"""torch.compile as an engine: a module is compiled for fixed shapes, on CUDA as CUDA graphs.

Rows are filled up to the next power of two, so that a worker compiles at most seven numbers of rows up to 64.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from brushwork_schemas.catalogue import Model
from torch import Tensor, nn

from brushwork_workers.engines.engine_forward import EngineForward, ModuleEngine
from brushwork_workers.engines.module_arguments import ModuleArguments, tensors_of

NAME = "torch.compile"
# Each form is compiled anew, which takes up to minutes. More forms than these run in torch without it.
MAX_FORMS = 4
Compile = Callable[..., Callable[..., Any]]


class CompiledEngine:
    """A compiled module for one form of arguments.

    Args:
        forward: The `forward` of the module.
        arguments: Arguments of that form.
        compiler: `torch.compile`, or a stand-in with the same arguments.
        is_graph: Whether to record CUDA graphs.
    """

    def __init__(
        self, forward: Callable[..., Any], arguments: ModuleArguments, compiler: Compile, *, is_graph: bool
    ) -> None:
        self._kinds = arguments.kinds
        self._compiled = compiler(
            lambda *tensors: tuple(tensors_of(arguments.with_tensors(tensors).call(forward))),
            dynamic=False,
            mode="reduce-overhead" if is_graph else None,
        )

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Run the module."""
        with_rows = [kind != "same" for kind in self._kinds]
        rows = next(len(tensor) for tensor, has_rows in zip(tensors, with_rows, strict=True) if has_rows)
        size = 1 << (rows - 1).bit_length()
        filled = [
            _filled(tensor, size) if has_rows else tensor
            for tensor, has_rows in zip(tensors, with_rows, strict=True)
        ]
        # Clones: the next replay of a CUDA graph writes into the same memory.
        return [
            answer[:rows].clone() if answer.ndim and len(answer) == size else answer.clone()
            for answer in self._compiled(*filled)
        ]


def compile_module(
    module: nn.Module, model: Model, dtype: torch.dtype, compiler: Compile = torch.compile
) -> None:
    """Let a compiled form of a module run its calls, wherever it computes the same.

    Args:
        module: The module, on its device. It is compiled for the first call of each size.
        model: The catalogue entry of its model.
        dtype: The number format of its weights.
        compiler: `torch.compile`, or a stand-in with the same arguments.
    """
    forward, engines = module.forward, dict[str, ModuleEngine]()
    # Modules that move between devices have no fixed addresses, which CUDA graphs need.
    is_graph = _device(module).type == "cuda" and model.placement != "model_offload"

    def find(arguments: ModuleArguments) -> ModuleEngine | None:
        if arguments.form not in engines and len(engines) < MAX_FORMS:
            engine = CompiledEngine(forward, arguments, compiler, is_graph=is_graph)
            precision = str(dtype).removeprefix("torch.")
            engines[arguments.form] = ModuleEngine(engine, NAME, precision, arguments.form)
        return engines.get(arguments.form)

    name = type(module).__name__
    module.__dict__["forward"] = EngineForward(module, name, model.name, find)


def _filled(tensor: Tensor, size: int) -> Tensor:
    """Return a tensor whose last row is repeated until there are `size` rows."""
    missing = size - len(tensor)
    return torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])]) if missing else tensor


def _device(module: nn.Module) -> torch.device:
    return next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
