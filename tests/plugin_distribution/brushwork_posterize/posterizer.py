"""Family `posterizer`: a small torch module that rounds brightness to few levels."""

from typing import Any

import torch
from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.interface import JobContext, LoadedModules, LoadSpec
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from brushwork_posterize.kind import PosterizationRequest

MOST_COLOURS = 8


class Posterizer(nn.Module):
    """Rounds pixels to levels that are evenly spaced after a gamma curve for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(3))

    def forward(self, pixels: Tensor, num_levels: Tensor) -> Tensor:
        """Round pixels.

        Args:
            pixels: [batch, 3, height, width], 0 to 1.
            num_levels: [batch], brightness levels of each picture.
        """
        steps = (num_levels - 1).view(-1, 1, 1, 1)
        gamma = self.gamma.view(1, 3, 1, 1)
        return ((pixels**gamma * steps).round() / steps) ** (1 / gamma)


class PosterizationHandler:
    """Does jobs of `image-posterization`."""

    def __init__(self, network: Posterizer, spec: LoadSpec) -> None:
        self._device = spec.device
        # Calls go through a proxy, so that those of several jobs run as one batch.
        self._network = ModuleProxy(network, spec.model_executor, spec.options)

    def warm_up(self) -> None:
        """Posterize a black picture."""
        self._network(
            torch.zeros(1, 3, 64, 64, device=self._device), torch.tensor([2.0], device=self._device)
        )

    def perform(self, request: PosterizationRequest, context: JobContext) -> dict[str, Any]:
        """Posterize one picture."""
        picture = context.picture(request.image)
        pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
        levels = torch.tensor([float(request.num_levels)], device=self._device)
        made = self._network(pixels.unsqueeze(0).to(self._device), levels)[0].cpu()
        poster: Image.Image = transforms.to_pil_image(made.clamp(0, 1))
        return {"image": context.save_picture(poster), "colours": _colours(poster)}


def _colours(picture: Image.Image) -> list[dict[str, Any]]:
    number = picture.width * picture.height
    counted: Any = sorted(picture.getcolors(number) or [], reverse=True)[:MOST_COLOURS]
    return [
        {"colour": "#{:02x}{:02x}{:02x}".format(*colour), "share": count / number}
        for count, colour in counted
    ]


def load(spec: LoadSpec) -> LoadedModules:
    """Load the network from `model.safetensors`."""
    network = Posterizer()
    network.load_state_dict(load_file(spec.folder / "model.safetensors"))
    network = network.to(spec.device).eval()
    return LoadedModules({"image-posterization": PosterizationHandler(network, spec)}, [network])
