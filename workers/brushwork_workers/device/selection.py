"""Which device and number format a worker computes with."""

import os
import platform
from pathlib import Path

import torch
from brushwork_schemas.errors import InvalidRequest

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def choose_device(wanted: str, worker_index: int = 0) -> torch.device:
    """The device named `wanted`; with "auto" the best there is.

    Args:
        wanted: As `Settings.device`.
        worker_index: Workers of one machine take its GPUs in turn.

    Raises:
        InvalidRequest: torch knows no such device, or has none of it here.
    """
    if wanted == "auto":
        return torch.device(_best(worker_index))
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InvalidRequest(
            f"device: {wanted!r} can't be used here: {error}",
            field="device",
            hint="Set BRUSHWORK_DEVICE to auto, cpu, cuda, cuda:<index> or mps.",
        ) from error
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The number format named `wanted`; with "auto" bfloat16 on CUDA, float32 elsewhere."""
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return _DTYPES[wanted]


def default_pixels(device: torch.device) -> int:
    """Most pixels of one gathered call where nobody has set a bound.

    On CUDA a batch that does not fit is noticed and halved, so the bound may be high. Elsewhere the system
    would end the process first.
    """
    return 64 * 2**20 if device.type == "cuda" else 4 * 2**20


def model_budget(device: torch.device, workers_here: int, given_gb: float | None = None) -> int:
    """Bytes that the models of one worker may take together.

    Where nobody has said it, 70 % of the GPU's memory, for jobs need some of it besides, divided among the
    workers that take it; or half of the machine's, divided among all workers here.
    """
    if given_gb is not None:
        return round(given_gb * 2**30)
    if device.type == "cuda":
        workers_on_it = -(-workers_here // torch.cuda.device_count())
        return int(0.7 * torch.cuda.get_device_properties(device).total_memory) // workers_on_it
    return machine_memory() // 2 // workers_here


def machine_memory(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes of memory that this process may use at most: the machine's, or its container's.

    Args:
        cgroup: The file in which Linux says how much a container has.
    """
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(whole, int(cgroup.read_text()))
    # There is none, or it says "max".
    except (OSError, ValueError):
        return whole


def device_name(device: torch.device) -> str:
    """What a person calls it."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.processor() or platform.machine()})"


def _best(worker_index: int) -> str:
    if torch.cuda.is_available():
        return f"cuda:{worker_index % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"
