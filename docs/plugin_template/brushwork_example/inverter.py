"""Loads the model of the family `inverter` and does jobs of `image-inversion`."""

import torch
from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.interface import LoadedModules
from torchvision.transforms.v2 import functional as transforms


class Inverter(torch.nn.Module):
    """Inverts pixels [batch, 3, height, width], 0 to 1, by an amount [batch], 0 to 1."""

    def forward(self, pixels, amount):
        """Return the pixels, inverted."""
        amount = amount.view(-1, 1, 1, 1)
        return pixels * (1 - amount) + (1 - pixels) * amount


class InversionHandler:
    """Does jobs; many threads call it at once."""

    def __init__(self, network, spec):
        self.device = spec.device
        # Calls through a proxy are gathered: those of several jobs with equal sizes run as one batch.
        self.network = ModuleProxy(network, spec.model_executor, spec.options)

    def warm_up(self):
        """Run once, so that the first job does not wait for one-time work."""
        self.network(torch.zeros(1, 3, 64, 64, device=self.device), torch.ones(1, device=self.device))

    def perform(self, request, context):
        """Do one job and return the fields of its result."""
        picture = context.picture(request.image)
        pixels = transforms.to_dtype(transforms.pil_to_tensor(picture), torch.float32, scale=True)
        amount = torch.tensor([request.amount], device=self.device)
        made = self.network(pixels.unsqueeze(0).to(self.device), amount)[0].cpu()
        return {"image": context.save_picture(transforms.to_pil_image(made)), "mean": made.mean().item()}


def load(spec):
    """Load a model: `spec` has its folder, its device and its number format."""
    network = Inverter().to(spec.device).eval()
    return LoadedModules({"image-inversion": InversionHandler(network, spec)}, [network])
