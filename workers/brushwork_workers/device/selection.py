"""Selects the device, the number format and the memory budget of a worker."""

import platform

import torch
from brushwork_core.settings.machine import machine_memory
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(wanted: str, worker_index: int = 0) -> torch.device:
    """Return the device named `wanted`; for "auto" the best one of this machine.

    Args:
        wanted: The value of `Settings.device`.
        worker_index: Index of this worker on its machine; workers take the GPUs in turn.

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
            hint="Set BRUSHWORK_DEVICE to auto, cpu, cuda, cuda:<index> or mps.",
        ) from error
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """Return the number format named `wanted`; for "auto" bfloat16 on CUDA, else float32."""
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return _DTYPES[wanted]


def default_pixels(device: torch.device) -> int:
    """Return the most pixels of one batch if the settings do not give a limit.

    On CUDA a batch that does not fit raises an error and is halved, so the limit may be high. Elsewhere the
    operating system would end the process first.
    """
    return 64 * 2**20 if device.type == "cuda" else 4 * 2**20


def model_budget(device: torch.device, workers_here: int, given_gb: float | None = None) -> int:
    """Return the bytes that the models of one worker may take together.

    By default 70 % of the GPU's memory, divided among the workers that share the GPU; jobs need the rest.
    Without a GPU half of the machine's memory, divided among all workers of the machine.

    Args:
        device: The worker's device.
        workers_here: Number of workers on this machine.
        given_gb: The limit from the settings, in GiB.
    """
    if given_gb is not None:
        return round(given_gb * 2**30)
    if device.type == "cuda":
        workers_on_it = -(-workers_here // torch.cuda.device_count())
        return int(0.7 * torch.cuda.get_device_properties(device).total_memory) // workers_on_it
    return machine_memory() // 2 // workers_here


def device_name(device: torch.device) -> str:
    """Return a readable name of a device."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"


def _best(worker_index: int) -> str:
    if torch.cuda.is_available():
        return f"cuda:{worker_index % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"
