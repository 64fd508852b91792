"""torchvision's own weights by name: which network they are for, its classes, how pictures are made ready.

torchvision knows all of that itself, so a folder of such weights needs to name them, and nothing more:
`{"library": "torchvision", "weights": "ResNet50_Weights.IMAGENET1K_V2"}`.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.errors import ModelUnavailable
from torch import Tensor, nn
from torchvision.models import get_model_builder, get_model_weights, get_weight, list_models

# Parts that only training needs; their weights are in the files and are left there.
_FOR_TRAINING = ("aux_classifier.", "aux1.", "aux2.", "AuxLogits.")
# Set by torchvision itself as soon as it loads weights into these two.
_WITH_WEIGHTS = {"transform_input": True, "aux_logits": False, "init_weights": False}


@dataclass(frozen=True)
class TorchvisionWeights:
    """Weights that torchvision lists.

    Args:
        name: `<enumeration>.<member>`.
        labels: Of its classes.
        transform: From a picture to [3, height, width], made ready as the weights want it.
    """

    name: str
    labels: tuple[str, ...]
    transform: Callable[[Any], Tensor]

    @classmethod
    def named(cls, name: str) -> "TorchvisionWeights":
        """The weights of that name.

        Raises:
            ModelUnavailable: torchvision has none, or none of labelled classes.
        """
        try:
            weights = get_weight(name)
            return cls(name, tuple(weights.meta["categories"]), weights.transforms())
        except (ValueError, AttributeError, KeyError) as error:
            raise ModelUnavailable(
                f"{name!r} is not among torchvision's weights of labelled classes.",
                field="source.weights",
                hint="They are named as ResNet50_Weights.IMAGENET1K_V2 is; see torchvision.models.",
            ) from error

    def network(self, state: dict[str, Tensor]) -> nn.Module:
        """The network with its weights, all of them and no others.

        Args:
            state: From the file that torchvision publishes.
        """
        builder = get_model_builder(self._builder_name())
        known = inspect.signature(builder).parameters
        options: dict[str, Any] = {"weights_backbone": None} if "weights_backbone" in known else {}
        if self._builder_name() in ("googlenet", "inception_v3"):
            options |= _WITH_WEIGHTS
        network: nn.Module = builder(weights=None, num_classes=len(self.labels), **options)
        kept = {name: value for name, value in state.items() if not name.startswith(_FOR_TRAINING)}
        network.load_state_dict(kept, strict=True)
        return network

    def _builder_name(self) -> str:
        owner = type(get_weight(self.name))
        found: str = next(name for name in list_models() if get_model_weights(name) is owner)
        return found
