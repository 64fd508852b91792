"""Check that torch can be imported, and that it finds the GPU of the driver."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brushwork_core.settings.settings import Settings

from brushwork.doctor.finding import Finding, fail, ok, warn
from brushwork.embedded.worker_choice import choose

ABOUT = "torch"
TIMEOUT_S = 120.0
NVIDIA = Path("/proc/driver/nvidia/version")
# In a process of its own: a torch that does not fit the driver may crash the process.
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
    """Check torch, torchvision, GPUs and the setting `device`."""
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
    yield from judged(seen, settings.device, has_driver=NVIDIA.exists())
    choice = choose(settings.device, gpus=len(seen["gpus"]))
    noun = "worker" if choice.workers == 1 else "workers"
    started = f"{choice.workers} {noun} with {choice.concurrency} jobs at once"
    yield ok(ABOUT, f"brushwork up starts {started} ({choice.reason}).")


def judged(seen: dict[str, Any], device: str, *, has_driver: bool) -> Iterator[Finding]:
    """Yield findings about the devices that torch sees.

    Args:
        seen: What the process that imported torch printed.
        device: Value of BRUSHWORK_DEVICE.
        has_driver: Whether the NVIDIA driver is loaded.
    """
    yield ok(ABOUT, f"torch {seen['torch']} and torchvision {seen['torchvision']} can be imported.")
    for name, (free, total) in zip(seen["gpus"], seen["memory"], strict=True):
        yield ok(ABOUT, f"{name}: {free / 2**30:.1f} of {total / 2**30:.1f} GiB of memory are free.")
    if has_driver and not seen["gpus"]:
        built = f"is built for CUDA {seen['built_for']}" if seen["built_for"] else "is built for CPUs only"
        yield warn(
            ABOUT,
            f"The NVIDIA driver is loaded, but torch finds no GPU. This torch {built}.",
            "Install a version of torch that fits the driver: https://pytorch.org/get-started/locally/",
        )
    if device.startswith("cuda") and not seen["gpus"]:
        yield fail(ABOUT, f"BRUSHWORK_DEVICE is {device}, but torch finds no GPU.", "Set it to auto or cpu.")
    if device == "mps" and not seen["mps"]:
        yield fail(
            ABOUT, "BRUSHWORK_DEVICE is mps, but torch finds no such device.", "Set it to auto or cpu."
        )
    if not has_driver and not seen["gpus"] and not seen["mps"] and device == "auto":
        yield ok(ABOUT, "This machine has no GPU. Workers use the CPU.")
