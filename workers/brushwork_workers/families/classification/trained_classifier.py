"""Classifiers that a job has trained."""

import json
from dataclasses import replace
from typing import Any

import torch
from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from brushwork_workers.batching.model_executor import StandIn
from brushwork_workers.families.classification.ranking import best
from brushwork_workers.families.training.architecture import untrained
from brushwork_workers.families.training.preparation import Preparation
from brushwork_workers.interface import Desk, Loaded, Place


def load(place: Place) -> Loaded:
    """The model, for its one kind.

    Raises:
        ModelUnavailable: Its files can't be read, or do not belong together.
    """
    try:
        config = json.loads((place.folder / "config.json").read_text("utf-8"))
        labels = tuple(config["labels"])
        network = untrained(config["architecture"], len(labels), config["image_size"])
        network.load_state_dict(load_file(place.folder / "model.safetensors"), strict=True)
        preparation = Preparation(config["image_size"], tuple(config["mean"]), tuple(config["std"]))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ModelUnavailable(
            f"Model {place.model.name} can't be loaded: {error}.",
            field="model",
            hint="Train it once more: its files are damaged, or another version of brushwork made them.",
        ) from error
    network = network.to(place.device, place.dtype).eval()
    performer = ImageClassification(place, network, labels, preparation)
    return Loaded({"image-classification": performer}, [network])


class ImageClassification:
    """A loaded classifier.

    Args:
        place: Onto what it was loaded, and through what its calls go.
        network: On its device.
        labels: Of its classes.
        preparation: How its pictures are made ready.
    """

    def __init__(
        self, place: Place, network: torch.nn.Module, labels: tuple[str, ...], preparation: Preparation
    ) -> None:
        self._place = place
        self._labels = labels
        self._preparation = preparation
        terms = replace(place.terms, part="network", pixels_per_row=preparation.image_size**2)
        self._network = StandIn(network, place.calls, terms)

    def warm_up(self) -> None:
        """Classify a black picture."""
        self._probabilities(Image.new("RGB", (64, 64)))

    def perform(self, request: ImageClassificationRequest, desk: Desk) -> dict[str, Any]:
        """The `top_k` best classes of one picture; all of them where there are fewer."""
        probabilities = self._probabilities(desk.picture(request.image))
        return {"predictions": best(probabilities, self._labels, request.top_k)}

    def _probabilities(self, picture: Image.Image) -> Tensor:
        """Softmax over the classes: [classes], float32 on the CPU."""
        pixels = self._preparation.normalised(self._preparation.pixels(picture)[None])
        logits = self._network(pixels.to(self._place.device, self._place.dtype))
        return torch.softmax(logits[0].float().cpu(), dim=0)
