"""How many workers this machine runs best, and how many jobs at once each of them.

Without an accelerator, Python's lock limits one process to about one core beside the model itself; several
workers divide the cores. Each of them holds its own models, so memory is a limit, too. With accelerators each
one gets a worker, which has all the batches of its device.
"""

import importlib.util
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from brushwork_core.settings.machine import machine_memory, usable_cores

GIB = 2**30
# For a worker without a GPU: its interpreter with torch, small models, and the jobs that it runs.
BYTES_PER_WORKER = 4 * GIB
MOST_ON_CPU = 8
# Jobs at once, of all workers that share a device: as many as the rows of its largest batch.
JOBS_PER_DEVICE = 64
NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")


@dataclass(frozen=True)
class WorkerChoice:
    """How many workers are started.

    Args:
        workers: Number of workers.
        concurrency: Jobs at once in each of them.
        reason: Why, in one sentence.
    """

    workers: int
    concurrency: int
    reason: str


def choose(
    device: str = "auto",
    *,
    workers: int | None = None,
    concurrency: int | None = None,
    cores: int | None = None,
    memory_bytes: int | None = None,
    gpus: int | None = None,
) -> WorkerChoice:
    """Return what suits this machine, as far as it is not given.

    Args:
        device: Value of BRUSHWORK_DEVICE.
        workers: The number of workers, if it is given.
        concurrency: Jobs at once in each worker, if they are given.
        cores: Number of cores that this process may use, by default as the system says.
        memory_bytes: Memory of the machine or container, by default as the system says.
        gpus: Number of accelerators, by default as the driver says.
    """
    cores = cores or usable_cores()
    memory_bytes = memory_bytes or machine_memory()
    gpus = num_gpus() if gpus is None else gpus
    uses_cpu = device == "cpu" or (device == "auto" and not gpus and platform.system() != "Darwin")
    if workers is not None:
        reason = "as asked"
    elif not uses_cpu:
        workers = max(1, gpus) if device == "auto" else 1
        reason = f"one for each of {gpus} GPUs" if workers > 1 else "one device"
    else:
        room = max(1, memory_bytes // BYTES_PER_WORKER)
        workers = max(1, min(cores, room, MOST_ON_CPU))
        memory = f"{memory_bytes / GIB:.0f} GiB of memory"
        reason = f"no GPU, {cores} {'core' if cores == 1 else 'cores'}, {memory}"
    sharing = workers if uses_cpu else -(-workers // max(1, gpus))
    if concurrency is None:
        concurrency = max(1, JOBS_PER_DEVICE // sharing)
    return WorkerChoice(workers, concurrency, reason)


def num_gpus(folder: Path = NVIDIA_GPUS, devices: Path = DEVICES) -> int:
    """Return the number of accelerators that this process may use, without importing torch.

    Args:
        folder: Where the driver of NVIDIA lists its GPUs.
        devices: Where the drivers of Ascend and Intel list their devices.
    """
    if folder.is_dir():
        return _visible(sum(1 for _ in folder.iterdir()), "CUDA_VISIBLE_DEVICES")
    if importlib.util.find_spec("torch_npu") is not None:
        return _visible(len(_numbered(devices, "davinci")), "ASCEND_RT_VISIBLE_DEVICES")
    # Many machines have a small GPU of Intel that an ordinary torch does not use.
    if _torch_version().endswith("+xpu"):
        return _visible(len(_numbered(devices / "dri", "renderD")), "ZE_AFFINITY_MASK")
    return 0


def _numbered(folder: Path, stem: str) -> list[Path]:
    return [path for path in folder.glob(f"{stem}*") if path.name.removeprefix(stem).isdecimal()]


def _visible(found: int, variable: str) -> int:
    visible = os.environ.get(variable)
    if visible is None:
        return found
    return min(found, len([name for name in visible.split(",") if name.strip() not in ("", "-1")]))


def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""
