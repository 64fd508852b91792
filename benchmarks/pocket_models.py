"""The shipped models with picture input, loaded with the usual library calls."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.models._utils import IntermediateLayerGetter
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

from benchmarks.pocket_cells import batches


class Captioner:
    """The shipped captioner."""

    def __init__(self, folder: Path) -> None:
        self._model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=torch.float32).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._processor = AutoImageProcessor.from_pretrained(folder)

    @torch.no_grad()
    def captions(self, pictures: list[Image.Image], language: str) -> list[str]:
        """The caption of each picture."""
        start = self._tokenizer.convert_tokens_to_ids(f"<|{language}|>")
        told: list[str] = []
        for part in batches(pictures):
            pixels = self._processor(part, return_tensors="pt").pixel_values
            ids = self._model.generate(pixels, decoder_start_token_id=start)
            told += self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return told


def construct(entry: dict[str, Any]) -> nn.Module:
    """Builds a module from the dotted name and arguments in a `config.json`."""
    module, name = entry["constructor"].rsplit(".", 1)
    built: nn.Module = getattr(import_module(module), name)(**entry["kwargs"])
    return built


def load_torchvision(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A shipped torchvision model and its configuration."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    entry = config["model"]
    if "backbone" in entry:
        base = getattr(construct(entry["backbone"]), entry["backbone"]["features"])
        backbone = IntermediateLayerGetter(base, {entry["backbone"]["return_layer"]: "out"})
        module, name = entry["constructor"].rsplit(".", 1)
        model = getattr(import_module(module), name)(backbone, construct(entry["head"]))
    else:
        model = construct(entry)
    state = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict(state)
    return model.eval(), config


def prepare(pictures: list[Image.Image], config: dict[str, Any]) -> torch.Tensor:
    """Pictures as a torchvision model's input `[n, 3, side, side]`."""
    side = config["preprocess"]["resize"]
    arrays = [np.asarray(p.resize((side, side), Image.Resampling.BILINEAR)) for p in pictures]
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255.0
    mean, std = (torch.tensor(config["preprocess"][k])[:, None, None] for k in ("mean", "std"))
    return (pixels - mean) / std
