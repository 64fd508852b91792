"""The accelerator of this machine: CUDA, ROCm, Ascend NPU, Intel XPU, Apple MPS or another backend of torch.

Everything goes through `torch.accelerator` and through the module of the device (`torch.cuda`, `torch.npu`,
`torch.xpu`, ...), so no maker is named. Some backends lack a function; then None is returned.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch

_Value = TypeVar("_Value")
# What backends raise for a function that they lack, or that the driver does not answer.
_UNSUPPORTED = (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError, AssertionError)


class Event(Protocol):
    """A point in the work of a device."""

    def synchronize(self) -> None:
        """Wait until the device has reached it."""
        ...


def is_accelerator(device: torch.device) -> bool:
    """Return whether a device is an accelerator and not a CPU."""
    return device.type not in ("cpu", "meta")


def current() -> torch.device | None:
    """Return the accelerator that torch finds on this machine, without an index; None if there is none."""
    # A backend that was named but not installed has no module.
    return _supported(lambda: torch.accelerator.current_accelerator(check_available=True))


def device_count() -> int:
    """Return the number of accelerators on this machine."""
    return torch.accelerator.device_count() if current() is not None else 0


def memory_info(device: torch.device) -> tuple[int, int] | None:
    """Return free and total memory of a device in bytes, of all processes; None if its backend does not tell.

    Apple's GPUs share the memory of the machine and have no memory of their own.
    """
    if not is_accelerator(device) or device.type == "mps":
        return None
    return _supported(lambda: torch.accelerator.get_memory_info(device))


def memory_held(device: torch.device) -> int | None:
    """Return the bytes that torch has reserved on a device in this process; None if unknown."""
    if device.type == "mps":
        return _supported(torch.mps.driver_allocated_memory)
    return _supported(lambda: torch.accelerator.memory_reserved(device))


def busy_ratio(device: torch.device) -> float | None:
    """Return the share of the recent past in which a device was computing; None if unknown."""
    # NVML may be missing, or not answer in a container. torch then raises various errors.
    try:
        return float(torch.get_device_module(device).utilization(device)) / 100
    except Exception:
        return None


def device_label(device: torch.device) -> str | None:
    """Return the name that the maker gave a device; None if its backend does not tell."""
    return _supported(lambda: str(torch.get_device_module(device).get_device_name(device)))


def computes_bfloat16(device: torch.device) -> bool:
    """Return whether a device computes in bfloat16 without emulation, as far as its backend tells."""
    module: Any = _supported(lambda: torch.get_device_module(device))
    asked = getattr(module, "is_bf16_supported", None)
    if asked is not None:
        return bool(_supported(asked))
    known = _supported(lambda: torch.accelerator.get_device_capability(device)["supported_dtypes"])
    return torch.bfloat16 in (known or ())


def empty_cache() -> None:
    """Return the memory that torch keeps for later to the accelerator."""
    if current() is not None:
        torch.accelerator.empty_cache()


def recorded_event(device: torch.device) -> Event:
    """Return an event after all work that was given to a device so far."""
    return _supported(lambda: _recorded(device)) or _AllWork(device)


class _AllWork:
    """The event of a backend without events: it waits for all work of the device.

    Args:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def synchronize(self) -> None:
        """Wait until the device has no more work."""
        torch.accelerator.synchronize(self._device)


def _recorded(device: torch.device) -> Event:
    # Blocking, because a spinning thread would take a core from the jobs.
    event = torch.Event(device, blocking=True)
    event.record(torch.accelerator.current_stream(device))
    return event


def _supported(ask: Callable[[], _Value]) -> _Value | None:
    try:
        return ask()
    # The device has failed, or has no memory left: that is not a lack of the backend.
    except (torch.AcceleratorError, torch.OutOfMemoryError):
        raise
    except _UNSUPPORTED:
        return None
