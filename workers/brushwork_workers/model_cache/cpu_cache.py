"""Models that had to leave the device and wait in the CPU's memory, from where they come back quickly."""

from collections import OrderedDict

import torch

from brushwork_workers.model_cache.loaded_model import LoadedModel


class CpuCache:
    """Keeps models up to a number of bytes; those that came first go first.

    Args:
        max_bytes: 0: it keeps none.
        device: From which they come and to which they go back.
    """

    def __init__(self, max_bytes: int, device: torch.device) -> None:
        # A model on the CPU would take there what it takes already.
        self._max_bytes = 0 if device.type == "cpu" else max_bytes
        self._device = device
        self._kept: OrderedDict[str, LoadedModel] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """What the models here take."""
        return sum(loaded_model.size_bytes for loaded_model in list(self._kept.values()))

    def keep(self, loaded_model: LoadedModel) -> bool:
        """Move a model here, if there is room once others have gone."""
        if loaded_model.size_bytes > self._max_bytes or not loaded_model.modules:
            return False
        while self.size_bytes + loaded_model.size_bytes > self._max_bytes:
            self._kept.popitem(last=False)
        for module in loaded_model.modules:
            module.to("cpu")
        self._kept[loaded_model.model.name] = loaded_model
        return True

    def take(self, name: str) -> LoadedModel | None:
        """The model of that name, back on the device; None if it is not here."""
        loaded_model = self._kept.pop(name, None)
        if loaded_model is not None:
            for module in loaded_model.modules:
                module.to(self._device)
        return loaded_model
