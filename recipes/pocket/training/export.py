"""Write shipped files: half-precision safetensors, and configurations that name stock constructors."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn


def half(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convert a state dictionary to half precision. Integers (counters of batch norm) stay unchanged."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().contiguous()
        for name, value in state.items()
    }


def save_torchvision(model: nn.Module, config: dict[str, Any], folder: Path) -> None:
    """Write `model.safetensors` and `config.json` of a torchvision model."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    save_file(half(model.state_dict()), weights, metadata={"format": "pt"})
    weights.chmod(0o644)
    text = json.dumps({"library": "torchvision", **config}, indent=2, ensure_ascii=False)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
