"""Published weights of torchvision by name, with their network, classes and preprocessing.

torchvision has all of this information, so the configuration of such weights only names them:
`{"library": "torchvision", "weights": "ResNet50_Weights.IMAGENET1K_V2"}`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said
from torch import Tensor, nn
from torchvision.models import get_model_builder, get_model_weights, get_weight, list_models

# Prefixes of weights that only training needs. They are in the files and are not loaded.
_TRAINING_ONLY = ("aux_classifier.", "aux1.", "aux2.", "AuxLogits.")
# torchvision sets these options itself when it loads the weights of GoogLeNet and Inception v3.
_PRETRAINED_OPTIONS = {"transform_input": True, "aux_logits": False, "init_weights": False}


@dataclass(frozen=True)
class TorchvisionWeights:
    """Published weights of torchvision.

    Args:
        name: `<enumeration>.<member>`, for example `ResNet50_Weights.IMAGENET1K_V2`.
        labels: The names of the classes, in their order.
        transform: Turns a picture into [3, height, width], preprocessed for these weights.
    """

    name: str
    labels: tuple[str, ...]
    transform: Callable[[Any], Tensor]

    @classmethod
    def named(cls, name: str) -> "TorchvisionWeights":
        """Return the weights with a name.

        Raises:
            ModelUnavailable: torchvision has no such weights, or their classes have no labels.
        """
        try:
            weights = get_weight(name)
            return cls(name, tuple(weights.meta["categories"]), weights.transforms())
        except (ValueError, AttributeError, KeyError) as error:
            raise ModelUnavailable(
                said("{name!r} is not among torchvision's weights with labelled classes.", name=name),
                field="source.weights",
                hint="Use a name such as ResNet50_Weights.IMAGENET1K_V2; see the list in torchvision.models.",
            ) from error

    def network(self, state: dict[str, Tensor]) -> nn.Module:
        """Build the network and load its weights.

        Args:
            state: The tensors of the published file, by name. They must be exactly those of the network.
        """
        builder = get_model_builder(self._builder_name())
        parameters = inspect.signature(builder).parameters
        options: dict[str, Any] = {"weights_backbone": None} if "weights_backbone" in parameters else {}
        if self._builder_name() in ("googlenet", "inception_v3"):
            options |= _PRETRAINED_OPTIONS
        network: nn.Module = builder(weights=None, num_classes=len(self.labels), **options)
        inference_state = {
            name: value for name, value in state.items() if not name.startswith(_TRAINING_ONLY)
        }
        network.load_state_dict(inference_state, strict=True)
        return network

    def _builder_name(self) -> str:
        weights_enum = type(get_weight(self.name))
        name: str = next(name for name in list_models() if get_model_weights(name) is weights_enum)
        return name
