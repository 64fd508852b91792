"""Where training runs: the CUDA device if there is one, else the CPU; matrix products in bfloat16 on both."""

from typing import TypeVar

import torch
from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


def device() -> torch.device:
    """The device that trains."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_products() -> torch.autocast:
    """A context in which convolutions and matrix products run in bfloat16."""
    return torch.autocast(device().type, torch.bfloat16)


def placed(module: _Module) -> _Module:
    """A module on the training device, its weights laid out as CPUs and tensor cores like them."""
    return module.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
