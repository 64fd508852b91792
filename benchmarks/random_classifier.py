"""A resnet18 with random weights, written in the layout of torchvision entries of the catalogue."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torchvision.models import resnet18

NUM_CLASSES = 1000
_CONFIG = {
    "library": "torchvision",
    "task": "image-classification",
    "model": {"constructor": "torchvision.models.resnet18", "kwargs": {"num_classes": NUM_CLASSES}},
    "labels": [f"class {index}" for index in range(NUM_CLASSES)],
    "preprocess": {"resize": 224, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
}
_ENTRY = """[models.resnet18]
family = "torchvision-classifier"
source = {{ folder = "{folder}" }}
"""


def save_resnet18(folder: Path) -> Path:
    """Write the model into `folder`; returns a catalogue that names it."""
    folder.mkdir()
    torch.manual_seed(0)
    network = resnet18(num_classes=NUM_CLASSES)
    save_file(network.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_CONFIG), "utf-8")
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(_ENTRY.format(folder=folder), "utf-8")
    return catalogue
