"""Gathers trained parts into the folders that ship: half precision on disk, full precision when loaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file

from brushwork_workers.pocket import WEIGHTS
from brushwork_workers.pocket.recipe.export import half
from brushwork_workers.pocket.recipe.parts import Parts

_TOKENIZER_CLASS = "PreTrainedTokenizerFast"


def ship_diffusion(out: Path, weights: Path = WEIGHTS) -> None:
    """Writes `pocket-diffusion` from the parts trained into `out`."""
    folder = weights / "pocket-diffusion"
    shutil.rmtree(folder / "unet", ignore_errors=True)
    unet = UNet2DConditionModel.from_pretrained(out / "unet")
    Parts.load(out).pipeline(unet).save_pretrained(folder)
    _halve(folder)
    index = _read(folder / "model_index.json")
    index["tokenizer"] = ["transformers", _TOKENIZER_CLASS]
    _write(folder / "model_index.json", index)
    _tidy(folder)


def ship(model: str, out: Path, weights: Path = WEIGHTS) -> None:
    """Copies `pocket-captioner`, `pocket-classifier` or `pocket-segmenter` from `out`."""
    shutil.copytree(out / model, weights / model, dirs_exist_ok=True)
    _halve(weights / model)
    _tidy(weights / model)


def _halve(folder: Path) -> None:
    for file in folder.rglob("*.safetensors"):
        state: dict[str, torch.Tensor] = load_file(file)
        save_file(half(state), file, metadata={"format": "pt"})
        file.chmod(0o644)


def _tidy(folder: Path) -> None:
    """Drops paths and what is derived, and asks loaders for full precision."""
    for file in folder.rglob("*.json"):
        if file.name in ("tokenizer.json", "model_index.json"):
            continue
        settings = _read(file)
        for name in ("_name_or_path", "block_out_channels" if file.parent.name == "vae" else ""):
            settings.pop(name, None)
        _write(file, {k: "float32" if k == "dtype" else _full(v) for k, v in settings.items()})


def _full(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: "float32" if k == "dtype" else v for k, v in value.items()}


def _read(file: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return settings


def _write(file: Path, settings: dict[str, Any]) -> None:
    text = json.dumps(settings, indent=2, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")
