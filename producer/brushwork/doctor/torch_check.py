"""Check that torch can be imported, and that it finds the accelerator of the driver."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from brushwork_core.settings.settings import Settings

from brushwork.doctor.finding import Finding, fail, ok, warn
from brushwork.embedded.worker_choice import choose

ABOUT = "torch"
TIMEOUT_S = 120.0
# The files by which a driver shows that it is loaded, by the maker's name of its devices.
DRIVERS = {"NVIDIA": Path("/proc/driver/nvidia/version"), "Ascend": Path("/dev/davinci_manager")}
_INSTALL = {
    "NVIDIA": "Install a version of torch that fits the driver: https://pytorch.org/get-started/locally/",
    "Ascend": "Install torch_npu of the version of torch, and set up CANN: https://www.hiascend.com/",
}
# In a process of its own: a torch that does not fit the driver may crash the process.
_LOOK = """
import json, torch, torchvision
found = torch.accelerator.current_accelerator(check_available=True)
module = torch.get_device_module(found) if found else None
def told(ask, index):
    try:
        return ask(index)
    except Exception:
        return None
count = torch.accelerator.device_count() if found else 0
print(json.dumps({
    "torch": torch.__version__, "torchvision": torchvision.__version__, "built_for": torch.version.cuda,
    "type": found.type if found else "cpu",
    "gpus": [told(lambda i: module.get_device_name(i), i) or f"{found.type}:{i}" for i in range(count)],
    "memory": [told(torch.accelerator.get_memory_info, i) for i in range(count)],
}))
"""


def check_torch(settings: Settings) -> Iterator[Finding]:
    """Check torch, torchvision, accelerators and the setting `device`."""
    if importlib.util.find_spec("torch") is None:
        yield ok(ABOUT, "torch is not installed: workers cannot run here.")
        return
    looked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOOK], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if looked.returncode:
        last = (looked.stderr.strip().splitlines() or [f"it ended with status {looked.returncode}"])[-1]
        yield fail(
            ABOUT, f"torch cannot be imported: {last}", "Run: pip install --upgrade 'brushwork[workers]'"
        )
        return
    seen = json.loads(looked.stdout)
    drivers = [maker for maker, file in DRIVERS.items() if file.exists()]
    yield from judged(seen, settings.device, drivers)
    choice = choose(settings.device, gpus=len(seen["gpus"]))
    noun = "worker" if choice.workers == 1 else "workers"
    started = f"{choice.workers} {noun} with {choice.concurrency} jobs at once"
    yield ok(ABOUT, f"brushwork up starts {started} ({choice.reason}).")


def judged(seen: dict[str, Any], device: str, drivers: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield findings about the devices that torch sees.

    Args:
        seen: What the process that imported torch printed.
        device: Value of BRUSHWORK_DEVICE.
        drivers: Makers whose driver is loaded: `NVIDIA`, `Ascend`.
    """
    yield ok(ABOUT, f"torch {seen['torch']} and torchvision {seen['torchvision']} can be imported.")
    for name, memory in zip(seen["gpus"], seen["memory"], strict=True):
        yield ok(ABOUT, f"{name} ({seen['type']}): {_memory(memory)}.")
    if not seen["gpus"]:
        for maker in drivers:
            yield _unfound(maker, seen["built_for"])
    wanted = device.partition(":")[0]
    if wanted not in ("auto", "cpu", seen["type"]):
        yield fail(
            ABOUT, f"BRUSHWORK_DEVICE is {device}, but torch finds no such device.", "Set it to auto or cpu."
        )
    if not drivers and not seen["gpus"] and device == "auto":
        yield ok(ABOUT, "This machine has no GPU. Workers use the CPU.")


def _memory(memory: Sequence[int] | None) -> str:
    if memory is None:
        return "it shares the memory of the machine, or does not tell"
    free, total = memory
    return f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB of memory are free"


def _unfound(maker: str, built_for: str | None) -> Finding:
    built = f"is built for CUDA {built_for}" if built_for else "is built for CPUs only"
    message = f"The {maker} driver is loaded, but torch finds no GPU. This torch {built}."
    if maker != "NVIDIA":
        message = f"The {maker} driver is loaded, but torch finds no device of it."
    return warn(ABOUT, message, _INSTALL[maker])
