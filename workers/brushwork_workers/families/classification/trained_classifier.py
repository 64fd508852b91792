"""Image classification with a network that a training job has made."""

import json
from dataclasses import replace
from typing import Any

import torch
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.wording.phrase import private, said
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.training.architecture import untrained
from brushwork_workers.families.training.preparation import Preparation
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image classification.

    Raises:
        ModelUnavailable: Its files cannot be read, or the weights do not fit the configuration.
    """
    try:
        config = json.loads((spec.folder / "config.json").read_text("utf-8"))
        labels = tuple(config["labels"])
        network = untrained(config["architecture"], len(labels), config["image_size"])
        network.load_state_dict(load_file(spec.folder / "model.safetensors"), strict=True)
        preparation = Preparation(config["image_size"], tuple(config["mean"]), tuple(config["std"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelUnavailable(
            said("Model {model} cannot be loaded: {error}.", model=spec.model.name, error=private(error)),
            field="model",
            hint="Its files are damaged, or another version of brushwork wrote them. Train the model again.",
        ) from error
    network = network.to(spec.device, spec.dtype).eval()
    handler = TrainedClassifier(spec, network, labels, preparation)
    return LoadedModules({"image-classification": handler}, [network])


class TrainedClassifier:
    """Handles image classification with a trained network.

    Args:
        spec: Names the device, the number format and the executor of the network's calls.
        network: The network, on its device.
        labels: The names of its classes, in their order.
        preparation: The preprocessing that the network was trained with.
    """

    def __init__(
        self, spec: LoadSpec, network: torch.nn.Module, labels: tuple[str, ...], preparation: Preparation
    ) -> None:
        self._spec = spec
        self._labels = labels
        self._preparation = preparation
        options = replace(spec.options, part="network", pixels_per_row=preparation.image_size**2)
        self._network = ModuleProxy(network, spec.model_executor, options)

    def warm_up(self) -> None:
        """Classify a black picture."""
        self._probabilities(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Return the `top_k` best classes of the picture, or all classes if there are fewer."""
        probabilities = self._probabilities(context.picture(request.image))
        return {"predictions": best(probabilities, self._labels, request, context)}

    def _probabilities(self, picture: Image.Image) -> Tensor:
        """Return the softmax over the classes: [classes], float32 on the CPU."""
        pixels = self._preparation.normalised(self._preparation.pixels(picture)[None])
        logits = self._network(pixels.to(self._spec.device, self._spec.dtype))[0].float().cpu()
        check_finite(logits, model=self._spec.model.name, part="classifier", module=self._network._module)
        return torch.softmax(logits, dim=0)
