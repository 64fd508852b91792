"""Depth of a picture with models of transformers, such as Depth Anything (Yang et al., 2024)."""

from dataclasses import replace
from typing import Any

import torch
from brushwork_schemas.kinds.image_preprocessing import ImagePreprocessingRequest
from PIL import Image
from torch import Tensor
from transformers import AutoModelForDepthEstimation
from transformers.modeling_outputs import DepthEstimatorOutput

from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.finite import check_finite
from brushwork_workers.families.pretrained import PictureProcessor, pretrained
from brushwork_workers.families.segmentation.heads import OutputHeads
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec

# These estimate metres. The others estimate the inverse of the distance, up to an unknown scale.
_METRIC = ("GLPNForDepthEstimation",)
_NEAREST_M = 1e-3


def load(spec: LoadSpec) -> LoadedModules:
    """Load the model as a handler of image preprocessing."""
    network = pretrained(AutoModelForDepthEstimation, spec)
    return LoadedModules({"image-preprocessing": DepthEstimation(spec, network)}, [network])


class DepthEstimation:
    """Handles image preprocessing with a depth estimator of transformers.

    Args:
        spec: The model that is loaded.
        network: The loaded network.
    """

    def __init__(self, spec: LoadSpec, network: Any) -> None:
        self._name = spec.model.name
        self._pictures = PictureProcessor(spec)
        named_metric = getattr(network.config, "depth_estimation_type", None) == "metric"
        self._is_metric = named_metric or type(network).__name__ in _METRIC
        options = replace(spec.options, part="network", pixels_per_row=self._pictures.pixels)
        self._network = ModuleProxy(OutputHeads(network, "predicted_depth"), spec.model_executor, options)

    def warm_up(self) -> None:
        """Estimate the depth of a grey ramp."""
        self._nearness(Image.linear_gradient("L").resize((64, 64)).convert("RGB"))

    def perform(self, request: ImagePreprocessingRequest, context: JobContext) -> dict[str, Any]:
        """Estimate the depth of one picture: near is white, far is black."""
        nearness = self._nearness(context.picture(request.image))
        return {"image": context.save_picture(grey_picture(nearness), source=None)}

    def _nearness(self, picture: Image.Image) -> Tensor:
        """Return how near each pixel is, at the size of the picture: [height, width], larger is nearer."""
        (answer,) = self._network(**self._pictures(picture))
        depth = answer.float().cpu()
        check_finite(depth, model=self._name, part="depth network", module=self._network._module)
        sizes = [(picture.height, picture.width)]
        found = self._pictures.processor.post_process_depth_estimation(
            DepthEstimatorOutput(predicted_depth=depth), sizes
        )
        scaled: Tensor = found[0]["predicted_depth"]
        return 1 / scaled.clamp(min=_NEAREST_M) if self._is_metric else scaled


def grey_picture(values: Tensor) -> Image.Image:
    """Return values as a grey picture: the lowest is black, the highest is white.

    Args:
        values: [height, width].
    """
    lowest, highest = values.min(), values.max()
    share = (values - lowest) / (highest - lowest) if highest > lowest else torch.zeros_like(values)
    # Cut, not rounded, as the pipeline "depth-estimation" of transformers does it.
    return Image.fromarray((share * 255).to(torch.uint8).numpy()).convert("RGB")
