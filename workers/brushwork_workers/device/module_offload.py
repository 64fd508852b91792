"""A place on the device for one of a model's modules at a time; the others wait in the CPU's memory."""

from collections.abc import Iterable
from typing import Any

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from accelerate.utils import send_to_device
from torch import nn


class ModuleOffload:
    """Brings the module that is called, and has the one before it leave.

    diffusers' `enable_model_cpu_offload` lets a module leave when the next of a fixed order is called. Here
    jobs are at different points of their pipelines, and any module may follow any other. Calls come one at a
    time, as `ModelExecutor` sees to.

    Args:
        device: Where the place is.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._there: nn.Module | None = None

    def serve(self, modules: Iterable[nn.Module]) -> None:
        """Have these modules take turns from now on; they are moved to the CPU."""
        for module in modules:
            module.to("cpu")
            add_hook_to_module(module, _Arrival(self, module))

    def bring(self, module: nn.Module) -> None:
        """Have that module there, and no other."""
        if module is self._there:
            return
        if self._there is not None:
            self._there.to("cpu")
        # First noted once it is there: a move that fails half-way is made again by the next call.
        self._there = None
        module.to(self.device)
        self._there = module


class _Arrival(ModelHook):  # type: ignore[misc]
    """Before each call of a module, and of those of its methods by which diffusers asks for this."""

    def __init__(self, offload: ModuleOffload, module: nn.Module) -> None:
        # By this name diffusers' pipelines find out where their tensors are to be.
        self.execution_device = offload.device
        self._offload = offload
        self._module = module

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        self._offload.bring(self._module)
        return send_to_device(args, self._offload.device), send_to_device(kwargs, self._offload.device)
