"""Whether torch can be loaded where it is installed, and finds the GPU that the driver knows."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brushwork_core.settings.settings import Settings

from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "torch"
TIMEOUT_S = 120.0
NVIDIA = Path("/proc/driver/nvidia/version")
# In a process of its own: a torch that does not fit its driver may end the one that loads it.
_LOOK = """
import json, torch, torchvision
cuda = torch.cuda.is_available()
print(json.dumps({
    "torch": torch.__version__, "torchvision": torchvision.__version__, "built_for": torch.version.cuda,
    "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else [],
    "memory": [torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())] if cuda else [],
    "mps": torch.backends.mps.is_available(),
}))
"""


def check_torch(settings: Settings) -> Iterator[Finding]:
    """torch, torchvision, GPUs and the device that is set."""
    if importlib.util.find_spec("torch") is None:
        yield ok(ABOUT, "torch is not installed: no worker runs here.")
        return
    looked = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOOK], capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if looked.returncode:
        last = (looked.stderr.strip().splitlines() or [f"it ended with status {looked.returncode}"])[-1]
        yield fail(ABOUT, f"torch can't be loaded: {last}", "Run: pip install --upgrade 'brushwork[workers]'")
        return
    yield from judged(json.loads(looked.stdout), settings.device, has_driver=NVIDIA.exists())


def judged(seen: dict[str, Any], device: str, *, has_driver: bool) -> Iterator[Finding]:
    """What it means that torch sees these devices.

    Args:
        seen: What the look at torch printed.
        device: The setting.
        has_driver: Whether NVIDIA's driver is loaded.
    """
    yield ok(ABOUT, f"torch {seen['torch']} with torchvision {seen['torchvision']} is loaded.")
    for name, (free, total) in zip(seen["gpus"], seen["memory"], strict=True):
        yield ok(ABOUT, f"{name}: {free / 2**30:.1f} of {total / 2**30:.1f} GiB are free.")
    if has_driver and not seen["gpus"]:
        built = f"is built for CUDA {seen['built_for']}" if seen["built_for"] else "is built for CPUs alone"
        yield warn(
            ABOUT,
            f"There is an NVIDIA driver, but torch finds no GPU; it {built}.",
            "Install a torch that fits the driver: https://pytorch.org/get-started/locally/",
        )
    if device.startswith("cuda") and not seen["gpus"]:
        yield fail(ABOUT, f"BRUSHWORK_DEVICE is {device}, and torch finds no GPU.", "Set it to auto or cpu.")
    if device == "mps" and not seen["mps"]:
        yield fail(ABOUT, "BRUSHWORK_DEVICE is mps, and torch finds none.", "Set it to auto or cpu.")
    if not has_driver and not seen["gpus"] and not seen["mps"] and device == "auto":
        yield ok(ABOUT, "There is no GPU here; workers compute on the CPU.")
