"""Exports a module to an ONNX file, with any number of rows and, where the module allows it, any sizes."""

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from brushwork_workers.engines.module_arguments import ModuleArguments, NotExportable, tensors_of

# Modules that are larger than this keep their weights beside the file: protobuf has a limit of 2 GiB.
LARGEST_SINGLE_FILE = 2**30


class _TensorsOnly(nn.Module):
    """A module that takes and returns tensors only.

    Args:
        module: The module to export.
        arguments: Arguments of a call. Their constants become constants of the exported module.
    """

    def __init__(self, module: nn.Module, arguments: ModuleArguments) -> None:
        super().__init__()
        self.module = module
        self._arguments = arguments

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Call the module."""
        return tuple(tensors_of(self._arguments.with_tensors(tensors).call(self.module)))


def exportable(module: nn.Module, arguments: ModuleArguments) -> ModuleArguments:
    """Return the arguments that a module is exported with: at least two rows, values in float32 if possible.

    torch specialises a module that is exported with one row. Some schedulers pass whole timesteps, others
    fractions; a module that takes the former as float32 too can serve both.
    """
    if arguments.rows == 1:
        doubled = [
            tensor if kind == "same" else torch.cat([tensor, tensor])
            for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
        ]
        arguments = arguments.with_tensors(doubled)
    arguments = arguments.with_tensors(arguments.tensors)
    floats = arguments.with_tensors(
        [
            tensor.float() if kind == "value" else tensor
            for tensor, kind in zip(arguments.tensors, arguments.kinds, strict=True)
        ]
    )
    return floats if _answers_alike(module, arguments, floats) else arguments


def export(module: nn.Module, arguments: ModuleArguments, file: Path) -> None:
    """Export a module.

    Args:
        module: The module, in evaluation mode.
        arguments: Arguments from `exportable`.
        file: Where to write it. Large weights are written beside it.

    Raises:
        NotExportable: torch or the exporter does not support the module; the message says why.
    """
    tensors = arguments.tensors
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(
                _TensorsOnly(module, arguments),
                tensors,
                dynamic_shapes=(
                    tuple(_dynamic(*each) for each in zip(tensors, arguments.kinds, strict=True)),
                ),
                strict=False,
            )
            _write(program, [f"input{index}" for index in range(len(tensors))], file)
    # Exporters raise errors of many classes.
    except Exception as error:
        raise NotExportable(described(error)) from error


def quantize(file: Path) -> None:
    """Quantize the weights of matrix products in an exported module to int8, in place."""
    quantization: Any = import_module("onnxruntime.quantization")
    small = file.with_suffix(".int8.onnx")
    quantization.quantize_dynamic(
        file,
        small,
        op_types_to_quantize=["MatMul", "Gemm"],
        weight_type=quantization.QuantType.QInt8,
        use_external_data_format=file.with_name(file.name + ".data").exists(),
    )
    small.replace(file)


def _write(program: Any, names: list[str], file: Path) -> None:
    size = sum(tensor.numel() * tensor.element_size() for tensor in program.state_dict.values())
    torch.onnx.export(
        program,
        (),
        file,
        dynamo=True,
        verbose=False,
        input_names=names,
        external_data=size > LARGEST_SINGLE_FILE,
    )


def _dynamic(tensor: Tensor, kind: str) -> dict[int, Any]:
    """Return which axes may have other sizes. torch finds out which of them cannot."""
    any_size: Any = torch.export.Dim.AUTO
    axes = range(tensor.ndim) if kind != "same" else range(1, tensor.ndim)
    # The last axis of embeddings is their width; pictures and latents have theirs second.
    fixed = {1} if tensor.ndim == 4 else {tensor.ndim - 1} if tensor.ndim == 3 else set()
    return {axis: any_size for axis in axes if axis not in fixed}


def _answers_alike(module: nn.Module, one: ModuleArguments, other: ModuleArguments) -> bool:
    answer: Callable[[ModuleArguments], list[Tensor]] = lambda given: tensors_of(given.call(module))  # noqa: E731
    with torch.no_grad():
        try:
            return all(map(torch.equal, answer(one), answer(other)))
        # The values are indices, for example.
        except (RuntimeError, TypeError, IndexError):
            return False


def described(error: BaseException) -> str:
    """Return the class of an error and the first line of its text."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason was given")
    return f"{type(error).__name__}: {line}"
