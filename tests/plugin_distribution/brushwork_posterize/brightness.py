"""Family `brightness`: classifies pictures as dark or bright by a linear layer over their mean colour."""

import json
from typing import Any

import torch
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms.v2 import functional as transforms


class BrightnessHandler:
    """Does jobs of `image-classification`."""

    def __init__(self, network: nn.Linear, labels: list[str], spec: LoadSpec) -> None:
        self._device = spec.device
        self._labels = labels
        self._network = ModuleProxy(network, spec.model_executor, spec.options)

    def warm_up(self) -> None:
        """Classify a black picture."""
        self._scores(Image.new("RGB", (8, 8)))

    def perform(self, request: ImageClassificationRequest, context: JobContext) -> dict[str, Any]:
        """Return the classes of one picture, best first."""
        scores = self._scores(context.picture(request.image))
        ranked = sorted(zip(self._labels, scores, strict=True), key=lambda pair: -pair[1])
        return {"predictions": [{"label": label, "score": score} for label, score in ranked[: request.top_k]]}

    def _scores(self, picture: Image.Image) -> list[float]:
        pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
        logits = self._network(pixels.mean((1, 2)).unsqueeze(0).to(self._device))
        scores: list[float] = torch.softmax(logits[0], 0).tolist()
        return scores


def load(spec: LoadSpec) -> LoadedModules:
    """Load the linear layer from `model.safetensors` and its labels from `config.json`."""
    labels = json.loads((spec.folder / "config.json").read_text("utf-8"))["labels"]
    network = nn.Linear(3, len(labels))
    network.load_state_dict(load_file(spec.folder / "model.safetensors"))
    network = network.to(spec.device).eval()
    return LoadedModules({"image-classification": BrightnessHandler(network, labels, spec)}, [network])
