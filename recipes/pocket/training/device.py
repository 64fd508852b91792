"""The training device: CUDA if there is a device, else the CPU. Matrix products use bfloat16 on both."""

from typing import TypeVar

import torch
from torch import nn

_Module = TypeVar("_Module", bound=nn.Module)


def device() -> torch.device:
    """Return the training device."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bfloat16_autocast() -> torch.autocast:
    """Return a context in which convolutions and matrix products run in bfloat16."""
    return torch.autocast(device().type, torch.bfloat16)


def on_device(module: _Module) -> _Module:
    """Move a module to the training device, with its weights in channels-last format."""
    return module.to(device(), memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
