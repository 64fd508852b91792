"""A stand-in for an accelerator that this machine does not have: what torch answers about it."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch


class _Event:
    """An event of the stand-in."""

    def __init__(self, device: torch.device, *, blocking: bool = False) -> None:
        self.device, self.blocking = device, blocking
        self.stream: object = None
        self.has_waited = False

    def record(self, stream: object) -> None:
        self.stream = stream

    def synchronize(self) -> None:
        self.has_waited = True


@dataclass
class StandInAccelerator:
    """An accelerator of another maker.

    Args:
        kind: Type of its devices: cuda, npu, xpu, mps.
        count: Number of devices.
        name: Name of each device, by the maker.
        free_bytes: Free memory of each device.
        total_bytes: Memory of each device.
        has_bfloat16: What its module answers; None if its module does not tell.
        lacks: Functions that its backend does not have: `get_memory_info`, `memory_reserved`, `utilization`,
            `get_device_name`, `Event`.
    """

    kind: str
    count: int = 2
    name: str = "Stand-in 910"
    free_bytes: int = 60 * 2**30
    total_bytes: int = 64 * 2**30
    has_bfloat16: bool | None = True
    lacks: tuple[str, ...] = ()
    calls: list[str] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "StandInAccelerator":
        """Let torch answer as if this accelerator were here."""
        answers: dict[str, Any] = {
            "current_accelerator": lambda check_available=False: torch.device(self.kind),
            "device_count": lambda: self.count,
            "get_memory_info": lambda device=None: (self.free_bytes, self.total_bytes),
            "memory_reserved": lambda device=None: 7 * 2**20,
            "empty_cache": lambda: self.calls.append("empty_cache"),
            "current_stream": lambda device=None: f"stream of {device}",
            "synchronize": lambda device=None: self.calls.append(f"synchronize {device}"),
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.accelerator, name, self._lacking if name in self.lacks else answer)
        module = SimpleNamespace(
            is_available=lambda: True,
            get_device_name=lambda device=None: self.name,
            utilization=lambda device=None: 25,
        )
        if self.has_bfloat16 is not None:
            module.is_bf16_supported = lambda: self.has_bfloat16
        for name in self.lacks:
            if hasattr(module, name):
                delattr(module, name)
        real = torch.get_device_module

        def found(device: torch.device | str | None = None) -> Any:
            # Libraries that are imported meanwhile ask about the others.
            kind = str(getattr(device, "type", device)).partition(":")[0]
            return module if kind == self.kind else real(device)

        monkeypatch.setattr(torch, "get_device_module", found)
        monkeypatch.setattr(torch, "Event", self._lacking if "Event" in self.lacks else _Event)
        return self

    def _lacking(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError("the backend does not have this function")
