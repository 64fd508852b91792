"""Write trained parts into the shipped folders: half precision on disk, full precision when loaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from brushwork_workers.pocket import WEIGHTS
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from safetensors.torch import load_file, save_file

from recipes.pocket.networks import editor, video
from recipes.pocket.networks.parts import Parts
from recipes.pocket.training.export import half

MODELS = (
    "pocket-diffusion",
    "pocket-turbo",
    "pocket-captioner",
    "pocket-classifier",
    "pocket-segmenter",
    "pocket-upscaler",
    "pocket-editor",
    "pocket-video",
)
_DENOISERS = {
    "pocket-diffusion": "unet",
    "pocket-turbo": "turbo-unet",
    "pocket-editor": editor.NAME,
    "pocket-video": video.NAME,
}
_TOKENIZER_CLASS = "PreTrainedTokenizerFast"


def ship(model: str, out: Path, weights: Path = WEIGHTS) -> None:
    """Write one of the shipped models from the training output in `out`. Its README.md stays unchanged.

    Raises:
        FileNotFoundError: The model was not trained in `out`. The shipped model stays unchanged.
    """
    trained = out / _DENOISERS.get(model, model)
    if not trained.is_dir():
        raise FileNotFoundError(f"{trained} does not exist: {model} was not trained, and nothing was shipped")
    if model in _DENOISERS:
        _ship_pipeline(weights / model, _pipeline(model, out, trained))
    else:
        shutil.copytree(trained, weights / model, dirs_exist_ok=True)
    _halve(weights / model)
    _tidy(weights / model)


def _pipeline(model: str, out: Path, denoiser: Path) -> Any:
    if model == "pocket-video":
        return video.VideoParts.load(out).pipeline(UNetMotionModel.from_pretrained(denoiser))
    unet = UNet2DConditionModel.from_pretrained(denoiser)
    if model == "pocket-editor":
        return editor.EditorParts.load(out).pipeline(unet)
    return Parts.load(out).pipeline(unet)


def _ship_pipeline(folder: Path, pipeline: Any) -> None:
    shutil.rmtree(folder / "unet", ignore_errors=True)
    pipeline.save_pretrained(folder)
    index = _read(folder / "model_index.json")
    index["tokenizer"] = ["transformers", _TOKENIZER_CLASS]
    _write(folder / "model_index.json", index)


def _halve(folder: Path) -> None:
    for file in folder.rglob("*.safetensors"):
        state: dict[str, torch.Tensor] = load_file(file)
        save_file(half(state), file, metadata={"format": "pt"})
        file.chmod(0o644)


def _tidy(folder: Path) -> None:
    """Remove paths and derived settings from configurations, and set full precision for loading."""
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
