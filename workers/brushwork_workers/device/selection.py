"""Selects the device, the number format and the memory budget of a worker."""

import platform

import torch
from brushwork_core.settings.machine import machine_memory
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork_workers.device import accelerator

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(wanted: str, worker_index: int = 0) -> torch.device:
    """Return the device named `wanted`; for "auto" the best one of this machine.

    Args:
        wanted: The value of `Settings.device`.
        worker_index: Index of this worker on its machine; workers take the accelerators in turn.

    Raises:
        InvalidRequest: torch does not know the device, or this machine does not have it.
    """
    if wanted == "auto":
        return torch.device(_best(worker_index))
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidRequest(
            said("device: {wanted!r} is not available on this machine: {error}", wanted=wanted, error=error),
            field="device",
            hint="Set BRUSHWORK_DEVICE to auto, cpu, cuda, npu, xpu, mps, or one of several: cuda:1.",
        ) from error
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """Return the number format named `wanted`.

    "auto" is float32 on a CPU and on Apple's GPUs, and bfloat16 on CUDA. On other accelerators it is bfloat16
    if they compute in it, else float16, which Ascend's older NPUs need.
    """
    if wanted != "auto":
        return _DTYPES[wanted]
    if not accelerator.is_accelerator(device) or device.type == "mps":
        return torch.float32
    is_brain = device.type == "cuda" or accelerator.computes_bfloat16(device)
    return torch.bfloat16 if is_brain else torch.float16


def default_pixels(device: torch.device) -> int:
    """Return the most pixels of one batch if the settings do not give a limit.

    On an accelerator with memory of its own, a batch that does not fit raises an error and is halved, so the
    limit may be high. Elsewhere the operating system would end the process first.
    """
    return 64 * 2**20 if accelerator.is_accelerator(device) and device.type != "mps" else 4 * 2**20


def model_budget(device: torch.device, workers_here: int, given_gb: float | None = None) -> int:
    """Return the bytes that the models of one worker may take together.

    By default 70 % of the accelerator's memory, divided among the workers that share it; jobs need the rest.
    Without memory of its own (a CPU, Apple's GPUs), half of the machine's memory, divided among all workers
    of the machine.

    Args:
        device: The worker's device.
        workers_here: Number of workers on this machine.
        given_gb: The limit from the settings, in GiB.
    """
    if given_gb is not None:
        return round(given_gb * 2**30)
    if (memory := accelerator.memory_info(device)) is not None:
        workers_on_it = -(-workers_here // max(1, accelerator.device_count()))
        return int(0.7 * memory[1]) // workers_on_it
    return machine_memory() // 2 // workers_here


def device_name(device: torch.device) -> str:
    """Return a readable name of a device."""
    label = accelerator.device_label(device) if accelerator.is_accelerator(device) else None
    return f"{device} ({label or platform.processor() or platform.machine()})"


def _best(worker_index: int) -> str:
    found = accelerator.current()
    if found is None:
        return "cpu"
    # There is only one GPU of Apple, which has no number.
    return "mps" if found.type == "mps" else f"{found.type}:{worker_index % accelerator.device_count()}"
