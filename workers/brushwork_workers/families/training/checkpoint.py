"""What another attempt goes on from, as a safetensors file: no pickle, for the optimizer neither."""

from collections.abc import Mapping
from dataclasses import dataclass

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_BEST, _STATE = "best.", "now."


@dataclass(frozen=True)
class Checkpoint:
    """How a training stood at the end of an epoch.

    Args:
        state: Of network and optimizer.
        best: Of the network, after the best epoch so far.
    """

    state: Mapping[str, Tensor]
    best: Mapping[str, Tensor]

    def to_bytes(self, job_id: str) -> bytes:
        """The file; with the job's name in it, no other job's is the same."""
        tensors = {f"{_STATE}{name}": value for name, value in self.state.items()}
        tensors |= {f"{_BEST}{name}": value for name, value in self.best.items()}
        return bytes(save(tensors, metadata={"job": job_id}))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Checkpoint":
        """What `packed` gave.

        Raises:
            ValueError: It did not.
        """
        try:
            tensors = load(data)
        except SafetensorError as error:
            raise ValueError(f"the checkpoint can't be read: {error}") from error
        parts = [
            {name.removeprefix(mark): value for name, value in tensors.items() if name.startswith(mark)}
            for mark in (_STATE, _BEST)
        ]
        return cls(*parts)
