"""Those answers of a network that are wanted."""

from typing import Any

from torch import Tensor, nn


class OutputHeads(nn.Module):
    """A network that answers with some of its outputs only.

    The others may not be one row for each picture, and then no two jobs could share a run.

    Args:
        network: Of transformers.
        *names: Of the outputs wanted.
    """

    def __init__(self, network: nn.Module, *names: str) -> None:
        super().__init__()
        self.network = network
        self._names = names

    def forward(self, **inputs: Any) -> tuple[Tensor, ...]:
        """The outputs, in the order of their names."""
        found = self.network(**inputs)
        return tuple(getattr(found, name) for name in self._names)
