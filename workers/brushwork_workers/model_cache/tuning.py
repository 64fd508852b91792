"""What a catalogue entry asks to be done with a loaded model's modules: quantised, laid out, compiled."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

import torch
from brushwork_schemas.catalogue import Model
from brushwork_schemas.errors import ModelUnavailable
from torch import nn

from brushwork_workers.model_cache.footprint import module_bytes

_CONFIGURATIONS = {"int8_weight_only": "Int8WeightOnlyConfig", "int4_weight_only": "Int4WeightOnlyConfig"}


def check(model: Model) -> None:
    """Refuse what this installation can't do, before anything is loaded.

    Raises:
        ModelUnavailable: torchao is missing.
    """
    if model.quantization != "none" and find_spec("torchao") is None:
        raise ModelUnavailable(
            f"Model {model.name} is to be quantised ({model.quantization}), and torchao is not installed.",
            field="quantization",
            hint="Run: pip install torchao",
        )


def tune(model: Model, modules: Sequence[nn.Module]) -> None:
    """Change the modules in place, as the entry asks.

    Quantisation and compilation are for the largest module, which does most of the work; channels-last is for
    every module with two-dimensional convolutions.
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
        # In place, so that whoever holds the module calls the compiled one; it is compiled as it warms up.
        largest.compile()
