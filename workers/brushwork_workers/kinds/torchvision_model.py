"""torchvision networks from a folder: `config.json` names the constructor, `model.safetensors` is loaded."""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.errors import ModelUnavailable
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.transforms.v2 import functional as transforms

from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import Calls, StandIn
from brushwork_workers.served import Place

_ALLOWED = "torchvision.models."


@dataclass(frozen=True)
class TorchvisionModel:
    """A loaded network with its labels and preprocessing."""

    network: nn.Module
    labels: tuple[str, ...]
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def load(cls, place: Place) -> "TorchvisionModel":
        """Build the network and fill in its weights, all of them and no others.

        Raises:
            ModelUnavailable: A file is missing, or the configuration names something not allowed.
        """
        config = _read_config(place.folder / "config.json", place.model.name)
        network = _network(config["model"])
        network.load_state_dict(load_file(place.folder / "model.safetensors"), strict=True)
        preprocess = config["preprocess"]
        return cls(
            network=network.to(place.device, place.dtype).eval(),
            labels=tuple(config["labels"]),
            side=preprocess["resize"],
            mean=tuple(preprocess["mean"]),
            std=tuple(preprocess["std"]),
            device=place.device,
            dtype=place.dtype,
        )

    def tensor(self, picture: Image.Image) -> Tensor:
        """The picture as the network wants it: [1, 3, side, side], normalised."""
        pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
        resized = transforms.resize(pixels, [self.side, self.side], antialias=True)
        normal = transforms.normalize(resized, list(self.mean), list(self.std))
        batch: Tensor = normal.unsqueeze(0).to(self.device, self.dtype)
        return batch

    def through(self, calls: Calls, terms: Terms) -> Callable[[Tensor], Any]:
        """The network as a job's thread may call it."""
        return StandIn(self.network, calls, replace(terms, part="network", pixels_per_row=self.side**2))


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
