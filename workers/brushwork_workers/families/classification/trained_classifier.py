"""Image classification with a network that a training job has made."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.wording.phrase import private, said
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.explanations.gradients import ScoreGradients
from brushwork_workers.families.classification.explaining import (
    DifferentiableClassifier,
    ExplainableClassifier,
    explained,
    one_hot,
)
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.common_call import called_together, performed
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
        gradients = ScoreGradients(spec.model.name, network, network, spec.model_executor, options)
        self._explainable = ExplainableClassifier(
            labels,
            lambda picture: self._probabilities(self.answers([self._inputs(picture)])[0]),
            spec.model_executor,
            DifferentiableClassifier(gradients, self._inputs, partial(one_hot, num_classes=len(labels))),
        )

    def warm_up(self) -> None:
        """Classify a black picture."""
        self.answers([self._inputs(Image.new("RGB", (64, 64)))])

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Classify one picture, and explain its class if the request asks for that."""
        if request.explain is not None:
            return explained(self._explainable, request, context)
        return performed(self, request, context)

    @property
    def row_pixels(self) -> int:
        """Pixels of a prepared picture."""
        return self._preparation.image_size**2

    def prepared(self, request: ImageClassificationRequest, context: JobContext) -> Tensor:
        """Return the prepared picture: [1, 3, image_size, image_size]."""
        return self._inputs(context.picture(request.image))

    def answers(self, prepared: Sequence[Tensor]) -> Sequence[Tensor]:
        """Return the logits of each picture: [classes], float32 on the CPU."""
        return called_together(self._network, prepared)

    def result(
        self, request: ImageClassificationRequest, context: JobContext, answer: Tensor
    ) -> dict[str, Any]:
        """Return the `top_k` best classes of the picture, or all classes if there are fewer."""
        return {"predictions": best(self._probabilities(answer), self._labels, request, context)}

    def _probabilities(self, answer: Tensor) -> Tensor:
        check_finite(answer, model=self._spec.model.name, part="classifier", module=self._network._module)
        return torch.softmax(answer, dim=0)

    def _inputs(self, picture: Image.Image) -> Tensor:
        pixels = self._preparation.normalised(self._preparation.pixels(picture)[None])
        return pixels.to(self._spec.device, self._spec.dtype)
