"""Quantises, lays out and compiles the modules of a loaded model, as its catalogue entry requests."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import torch
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from torch import nn

from brushwork_workers.engines.compiled_engine import compile_module
from brushwork_workers.model_cache.footprint import module_bytes

_CONFIGURATIONS = {"int8_weight_only": "Int8WeightOnlyConfig", "int4_weight_only": "Int4WeightOnlyConfig"}


def check(model: Model) -> None:
    """Check, before anything is loaded, that this installation can do what the entry requests.

    Raises:
        ModelUnavailable: The entry requests quantisation, and torchao is not installed.
    """
    if model.quantization != "none" and find_spec("torchao") is None:
        raise ModelUnavailable(
            said(
                "Model {model}: quantization = {quantization!r} needs torchao, which is missing.",
                model=model.name,
                quantization=model.quantization,
            ),
            field="quantization",
            hint="Run: pip install torchao",
        )


def tune(model: Model, modules: Sequence[nn.Module], dtype: torch.dtype = torch.float32) -> None:
    """Change the modules in place, as the entry requests.

    Args:
        model: The catalogue entry.
        modules: The modules of the model, on their device.
        dtype: The number format of their weights.

    Quantisation and compilation apply to the largest module, which does most of the work. Channels-last
    applies to every module with two-dimensional convolutions.
    """
    if not modules:
        return
    if model.channels_last:
        for module in modules:
            if any(isinstance(part, nn.Conv2d) for part in module.modules()):
                module.to(memory_format=torch.channels_last)
    largest = max(modules, key=lambda module: module_bytes([module]))
    if model.quantization != "none":
        quantization = import_module("torchao.quantization")
        quantization.quantize_(largest, getattr(quantization, _CONFIGURATIONS[model.quantization])())
    if model.compile:
        # It is compiled during the warm-up.
        compile_module(largest, model, dtype)
