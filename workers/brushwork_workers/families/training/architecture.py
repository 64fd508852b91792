"""The networks that can be trained, by name and for any number of classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torchvision
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model_builder, get_model_weights, get_weight, list_models

from brushwork_workers.device.module_building import module_building
from brushwork_workers.families.torchvision_weights import TorchvisionWeights
from brushwork_workers.families.training.simple_cnn import SimpleCNN

SIMPLE = "simple_cnn"
HALF = (0.5, 0.5, 0.5)
# Mean and standard deviation of ImageNet, which the weights of torchvision expect.
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# These networks return several outputs in training mode.
_UNSUPPORTED = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class Architecture:
    """The network that a training starts from.

    Args:
        name: `simple_cnn`, or the name of a classifier of torchvision.
        mean: The mean of red, green and blue that pictures are normalised with, 0 to 1.
        std: The standard deviation of red, green and blue that pictures are normalised with, 0 to 1.
        weights: The name of the pretrained weights of torchvision; None to start from random weights.
        file: The safetensors file of the pretrained weights.
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    weights: str | None = None
    file: Path | None = None

    @classmethod
    def named(cls, name: str) -> "Architecture":
        """Return an architecture that starts from random weights.

        Raises:
            ModelUnavailable: No architecture of that name can be trained.
        """
        if name == SIMPLE:
            return cls(name, HALF, HALF)
        if name in _UNSUPPORTED or name not in list_models(torchvision.models):
            raise ModelUnavailable(
                said("There is no architecture {name!r} that can be trained.", name=name),
                field="source.architecture",
                hint="Use simple_cnn, or a classifier of torchvision such as resnet18.",
            )
        return cls(name, IMAGENET_MEAN, IMAGENET_STD)

    @classmethod
    def pretrained(cls, weights: str, file: Path) -> "Architecture":
        """Return an architecture that starts from weights of torchvision, with a new last layer.

        Raises:
            ModelUnavailable: torchvision has no such weights, or they are not of a classifier that can be
                trained.
        """
        official = TorchvisionWeights.named(weights)
        weights_enum = type(get_weight(weights))
        name = next(name for name in list_models() if get_model_weights(name) is weights_enum)
        transform: Any = official.transform
        base = cls.named(name)
        return cls(base.name, tuple(transform.mean), tuple(transform.std), weights, file)

    def network(self, num_classes: int, image_size: int) -> nn.Module:
        """Build the network on the CPU. New weights come from the global random number generator of torch."""
        if self.weights is None or self.file is None:
            return untrained(self.name, num_classes, image_size)
        network = TorchvisionWeights.named(self.weights).network(load_file(self.file))
        _replace_head(network, num_classes)
        return network


@module_building()
def untrained(name: str, num_classes: int, image_size: int) -> nn.Module:
    """Build a network with the layers of `Architecture.network` and random weights."""
    if name == SIMPLE:
        return SimpleCNN(num_classes, image_size)
    network: nn.Module = get_model_builder(Architecture.named(name).name)(
        weights=None, num_classes=num_classes
    )
    return network


def head_name(network: nn.Module) -> str:
    """Return the name of the last layer, which has one output per class."""
    layers = [name for name, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return str(layers[-1])


def _replace_head(network: nn.Module, num_classes: int) -> None:
    weights_enum, _, name = head_name(network).rpartition(".")
    old = network.get_submodule(head_name(network))
    if isinstance(old, nn.Conv2d):
        new: nn.Module = nn.Conv2d(old.in_channels, num_classes, old.kernel_size)  # type: ignore[arg-type]
    else:
        assert isinstance(old, nn.Linear)  # noqa: S101 - `head_name` looks for these two
        new = nn.Linear(old.in_features, num_classes)
    setattr(network.get_submodule(weights_enum), name, new)
