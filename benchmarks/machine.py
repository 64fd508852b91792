"""A description of the hardware and software of a measurement, without names of machines or users."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "diffusers", "transformers", "torchvision", "celery", "redis")
Facts = dict[str, str | int]


def facts() -> Facts:
    """Processor, cores, system, versions and date."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "python": platform.python_version(),
        **_versions(),
        **({"device": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def sentence(of: Facts) -> str:
    """The facts in one line."""
    versions = ", ".join(f"{name} {of[name]}" for name in ("python", *PACKAGES) if name in of)
    device = f"{of['device']}, " if "device" in of else ""
    return f"Measured on {device}{of['cores']} cores ({of['processor']}), {versions}, {of['date']}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
