"""Checkpoints of a training as safetensors files. Weights and optimizer state contain no pickle."""

from collections.abc import Mapping
from dataclasses import dataclass

from brushwork_schemas.wording.phrase import said
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

_BEST, _STATE = "best.", "now."


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training at the end of an epoch.

    Args:
        state: The tensors of the network and of the optimizer, by name.
        best: The tensors of the network after the best epoch so far, by name.
    """

    state: Mapping[str, Tensor]
    best: Mapping[str, Tensor]

    def to_bytes(self, job_id: str) -> bytes:
        """Return the content of the file. It includes the job id, so the files of two jobs always differ."""
        tensors = {f"{_STATE}{name}": value for name, value in self.state.items()}
        tensors |= {f"{_BEST}{name}": value for name, value in self.best.items()}
        return bytes(save(tensors, metadata={"job": job_id}))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Checkpoint":
        """Read the content of a file that `to_bytes` has written.

        Raises:
            ValueError: The content is not a checkpoint.
        """
        try:
            tensors = load(data)
        except SafetensorError as error:
            raise ValueError(said("the checkpoint cannot be read: {error}", error=error)) from error
        parts = [
            {name.removeprefix(mark): value for name, value in tensors.items() if name.startswith(mark)}
            for mark in (_STATE, _BEST)
        ]
        return cls(*parts)
