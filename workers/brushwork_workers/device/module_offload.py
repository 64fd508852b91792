"""Keeps one of a model's modules on the device at a time; the others wait in the CPU's memory."""

from collections.abc import Iterable
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from accelerate.utils import send_to_device
from torch import nn


class ModuleOffload:
    """Moves a module to the device when it is called, and the previous one back to the CPU.

    diffusers' `enable_model_cpu_offload` moves modules in a fixed order. Here jobs are at different points of
    their pipelines, so any module may follow any other. A `ModelExecutor` makes only one call at a time.

    Args:
        device: The device to compute on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._on_device: nn.Module | None = None

    def add(self, modules: Iterable[nn.Module]) -> None:
        """Move these modules to the CPU, and from now on to the device whenever they are called."""
        for module in modules:
            module.to("cpu")
            add_hook_to_module(module, _MoveIn(self, module))

    def move_in(self, module: nn.Module) -> None:
        """Move this module to the device, and the previous one to the CPU."""
        if module is self._on_device:
            return
        if self._on_device is not None:
            self._on_device.to("cpu")
        # Set only after the move: if the move fails half-way, the next call repeats it.
        self._on_device = None
        module.to(self.device)
        self._on_device = module


class _MoveIn(ModelHook):  # type: ignore[misc]
    """Runs before each call of a module, and of those methods for which diffusers runs such hooks."""

    def __init__(self, offload: ModuleOffload, module: nn.Module) -> None:
        # diffusers' pipelines read this attribute to choose the device of their tensors.
        self.execution_device = offload.device
        self._offload = offload
        self._module = module

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        self._offload.move_in(self._module)
        return send_to_device(args, self._offload.device), send_to_device(kwargs, self._offload.device)
