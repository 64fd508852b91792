"""Models that had to leave the device and are kept in the CPU's memory, to be moved back quickly."""

from collections import OrderedDict

import torch

from brushwork_workers.model_cache.loaded_model import LoadedModel


class CpuCache:
    """Keeps models in the CPU's memory, up to a number of bytes; the oldest entry is dropped first.

    Args:
        max_bytes: Most bytes of all cached models; 0 turns the cache off.
        device: The device that the models come from and return to. On a CPU the cache is off: a model would
            take the same memory in the cache as outside.
    """

    def __init__(self, max_bytes: int, device: torch.device) -> None:
        self._max_bytes = 0 if device.type == "cpu" else max_bytes
        self._device = device
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Bytes that the cached models take."""
        return sum(loaded_model.size_bytes for loaded_model in list(self._models.values()))

    def put(self, loaded_model: LoadedModel) -> bool:
        """Move a model to the CPU and keep it; False if it is too large or cannot be moved."""
        if loaded_model.size_bytes > self._max_bytes or not loaded_model.modules:
            return False
        while self.size_bytes + loaded_model.size_bytes > self._max_bytes:
            self._models.popitem(last=False)
        for module in loaded_model.modules:
            module.to("cpu")
        self._models[loaded_model.model.name] = loaded_model
        return True

    def take(self, name: str) -> LoadedModel | None:
        """Move a model back to the device and forget it; None if it is not cached."""
        loaded_model = self._models.pop(name, None)
        if loaded_model is not None:
            for module in loaded_model.modules:
                module.to(self._device)
        return loaded_model
