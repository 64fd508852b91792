"""Load torchvision networks from a folder with `config.json` and `model.safetensors`.

`config.json` names either published weights of torchvision, or a constructor with labels and preprocessing.
"""

import importlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import private, said
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.transforms.v2 import functional as transforms

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor, ModuleProxy
from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.proportions import check_proportions
from brushwork_workers.families.torchvision_weights import TorchvisionWeights
from brushwork_workers.interface import LoadSpec

_ALLOWED_PREFIX = "torchvision.models."


@dataclass(frozen=True)
class TorchvisionModel:
    """A loaded network with its labels and preprocessing.

    Args:
        network: The network, on `device` and in evaluation mode.
        labels: The names of its classes, in their order.
        transform: Turns an RGB picture into [3, height, width], normalised, float32 on the CPU.
        device: The device of the network.
        dtype: The number format of its weights.
    """

    network: nn.Module
    labels: tuple[str, ...]
    transform: Callable[[Image.Image], Tensor]
    device: torch.device
    dtype: torch.dtype

    @classmethod
    @module_building()
    def load(cls, spec: LoadSpec) -> "TorchvisionModel":
        """Build the network and load its weights. The file must have exactly the weights of the network.

        Raises:
            ModelUnavailable: A file is missing, or the configuration names a constructor that is not allowed.
        """
        config = _read_config(spec.folder / "config.json", spec.model.name)
        state = load_file(spec.folder / "model.safetensors")
        if "weights" in config:
            official = TorchvisionWeights.named(config["weights"])
            network, labels, transform = official.network(state), official.labels, official.transform
        else:
            network, labels = _network(config["model"]), tuple(config["labels"])
            network.load_state_dict(state, strict=True)
            transform = partial(_preprocess, **config["preprocess"])
        network = network.to(spec.device, spec.dtype).eval()
        return cls(network, labels, transform, spec.device, spec.dtype)

    def tensor(self, picture: Image.Image) -> Tensor:
        """Prepare a picture for the network.

        Returns:
            The normalised picture, [1, 3, height, width], on the device of the network.

        Raises:
            InvalidImage: The picture is too long and thin.
        """
        resize_sides = getattr(self.transform, "resize_size", None)
        if resize_sides and len(resize_sides) == 1:
            check_proportions(picture, resize_sides[0])
        batch: Tensor = self.transform(picture).unsqueeze(0).to(self.device, self.dtype)
        return batch

    def proxy(self, model_executor: ModelExecutor, options: CallOptions) -> Callable[[Tensor], Any]:
        """Return a proxy of the network that sends its calls to `model_executor`. Any thread may call it."""
        return ModuleProxy(
            self.network, model_executor, replace(options, part="network", pixels_per_row=self.pixels)
        )

    @cached_property
    def pixels(self) -> int:
        """Pixels of a prepared square picture."""
        return math.prod(self.tensor(Image.new("RGB", (64, 64))).shape[-2:])


def _preprocess(picture: Image.Image, resize: int, mean: list[float], std: list[float]) -> Tensor:
    """Return the picture as [3, resize, resize], normalised. Its proportions are not kept."""
    pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
    resized = transforms.resize(pixels, [resize, resize], antialias=True)
    normalized: Tensor = transforms.normalize(resized, mean, std)
    return normalized


def _read_config(file: Path, name: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            said(
                "Model {name}: {file} cannot be read: {error}.",
                name=name,
                file=private(file, "its file"),
                error=private(error),
            ),
            field="source",
            hint="Download the file again, or correct its JSON.",
        ) from error
    return config


def _network(config: dict[str, Any]) -> nn.Module:
    """Build the network that a configuration describes, with random weights."""
    if "backbone" not in config:
        network: nn.Module = _constructor(config["constructor"])(**config.get("kwargs", {}))
        return network
    backbone = config["backbone"]
    backbone_network = _constructor(backbone["constructor"])(**backbone.get("kwargs", {}))
    features = getattr(backbone_network, backbone["features"]) if "features" in backbone else backbone_network
    head = _constructor(config["head"]["constructor"])(**config["head"].get("kwargs", {}))
    segmenter: nn.Module = _constructor(config["constructor"])(
        IntermediateLayerGetter(features, {backbone["return_layer"]: "out"}), head
    )
    return segmenter


def _constructor(dotted: str) -> Callable[..., Any]:
    # The configuration is untrusted, like the weights that it comes with: it must not import any other code.
    module, _, name = dotted.rpartition(".")
    if not dotted.startswith(_ALLOWED_PREFIX) or "._" in dotted:
        raise ModelUnavailable(
            said(
                "config.json names {dotted!r}, but only constructors in torchvision.models are allowed.",
                dotted=dotted,
            ),
            field="source",
            hint="Correct config.json, or use another model.",
        )
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
