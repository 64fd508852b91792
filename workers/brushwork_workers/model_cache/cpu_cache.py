"""Models that had to leave the device and wait in the CPU's memory, from where they come back quickly."""

from collections import OrderedDict

import torch

from brushwork_workers.model_cache.loaded_model import Served


class Attic:
    """Keeps models up to a number of bytes; those that came first go first.

    Args:
        max_bytes: 0: it keeps none.
        device: From which they come and to which they go back.
    """

    def __init__(self, max_bytes: int, device: torch.device) -> None:
        # A model on the CPU would take there what it takes already.
        self._max_bytes = 0 if device.type == "cpu" else max_bytes
        self._device = device
        self._kept: OrderedDict[str, Served] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """What the models here take."""
        return sum(served.size_bytes for served in list(self._kept.values()))

    def keep(self, served: Served) -> bool:
        """Move a model here, if there is room once others have gone."""
        if served.size_bytes > self._max_bytes or not served.modules:
            return False
        while self.size_bytes + served.size_bytes > self._max_bytes:
            self._kept.popitem(last=False)
        for module in served.modules:
            module.to("cpu")
        self._kept[served.model.name] = served
        return True

    def take(self, name: str) -> Served | None:
        """The model of that name, back on the device; None if it is not here."""
        served = self._kept.pop(name, None)
        if served is not None:
            for module in served.modules:
                module.to(self._device)
        return served
