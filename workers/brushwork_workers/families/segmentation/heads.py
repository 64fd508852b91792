"""A network that returns only some of its outputs."""

from typing import Any

from torch import Tensor, nn


class OutputHeads(nn.Module):
    """Returns only the named outputs of a network.

    Other outputs may not have one row per picture, and then jobs could not share a batch.

    Args:
        network: A network of transformers.
        *names: The names of the outputs to return.
    """

    def __init__(self, network: nn.Module, *names: str) -> None:
        super().__init__()
        self.network = network
        self._names = names

    def forward(self, **inputs: Any) -> tuple[Tensor, ...]:
        """Run the network and return the outputs, in the order of `names`."""
        found = self.network(**inputs)
        return tuple(getattr(found, name) for name in self._names)
