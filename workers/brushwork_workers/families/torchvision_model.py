"""torchvision networks from a folder: `config.json` says what they are, `model.safetensors` is loaded.

It names weights of torchvision's own, or a constructor with labels and preprocessing.
"""

import importlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.errors import ModelUnavailable
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.transforms.v2 import functional as transforms

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, ModuleProxy
from brushwork_workers.families.proportions import check_proportions
from brushwork_workers.families.torchvision_weights import TorchvisionWeights
from brushwork_workers.interface import LoadSpec

_ALLOWED = "torchvision.models."


@dataclass(frozen=True)
class TorchvisionModel:
    """A loaded network with its labels and preprocessing.

    Args:
        network: On its device, ready to run.
        labels: Of its classes.
        transform: From an RGB picture to [3, height, width], normalised, float32 on the CPU.
        device: Where it is.
        dtype: Of its weights.
    """

    network: nn.Module
    labels: tuple[str, ...]
    transform: Callable[[Image.Image], Tensor]
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def load(cls, spec: LoadSpec) -> "TorchvisionModel":
        """Build the network and fill in its weights, all of them and no others.

        Raises:
            ModelUnavailable: A file is missing, or the configuration names something not allowed.
        """
        config = _read_config(spec.folder / "config.json", spec.model.name)
        state = load_file(spec.folder / "model.safetensors")
        if "weights" in config:
            official = TorchvisionWeights.named(config["weights"])
            network, labels, transform = official.network(state), official.labels, official.transform
        else:
            network, labels = _network(config["model"]), tuple(config["labels"])
            network.load_state_dict(state, strict=True)
            transform = partial(_transformed, **config["preprocess"])
        network = network.to(spec.device, spec.dtype).eval()
        return cls(network, labels, transform, spec.device, spec.dtype)

    def tensor(self, picture: Image.Image) -> Tensor:
        """The picture as the network wants it: [1, 3, height, width], normalised.

        Raises:
            InvalidImage: It is too long and thin.
        """
        sides = getattr(self.transform, "resize_size", None)
        if sides and len(sides) == 1:
            check_proportions(picture, sides[0])
        batch: Tensor = self.transform(picture).unsqueeze(0).to(self.device, self.dtype)
        return batch

    def through(self, model_executor: ModelExecutor, options: CallOptions) -> Callable[[Tensor], Any]:
        """The network as a job's thread may call it."""
        pixels = math.prod(self.tensor(Image.new("RGB", (64, 64))).shape[-2:])
        return ModuleProxy(
            self.network, model_executor, replace(options, part="network", pixels_per_row=pixels)
        )


def _transformed(picture: Image.Image, resize: int, mean: list[float], std: list[float]) -> Tensor:
    """[3, resize, resize], whatever the picture's proportions."""
    pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
    resized = transforms.resize(pixels, [resize, resize], antialias=True)
    normal: Tensor = transforms.normalize(resized, mean, std)
    return normal


def _read_config(file: Path, name: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"Model {name}: {file} can't be read: {error}.", field="source") from error
    return config


def _network(config: dict[str, Any]) -> nn.Module:
    """The network that a configuration describes, untrained."""
    if "backbone" not in config:
        network: nn.Module = _constructor(config["constructor"])(**config.get("kwargs", {}))
        return network
    backbone = config["backbone"]
    whole = _constructor(backbone["constructor"])(**backbone.get("kwargs", {}))
    features = getattr(whole, backbone["features"]) if "features" in backbone else whole
    head = _constructor(config["head"]["constructor"])(**config["head"].get("kwargs", {}))
    segmenter: nn.Module = _constructor(config["constructor"])(
        IntermediateLayerGetter(features, {backbone["return_layer"]: "out"}), head
    )
    return segmenter


def _constructor(dotted: str) -> Callable[..., Any]:
    # A configuration comes with the weights, from outside: it may name torchvision's models and nothing else.
    module, _, name = dotted.rpartition(".")
    if not dotted.startswith(_ALLOWED) or "._" in dotted:
        raise ModelUnavailable(
            f"config.json names {dotted!r}; only constructors in torchvision.models are allowed.",
            field="source",
        )
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
