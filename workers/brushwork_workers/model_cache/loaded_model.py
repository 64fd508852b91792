"""A model that is loaded, what it serves, and where and with what it was loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brushwork_schemas.catalogue import Model
from torch import nn

from brushwork_workers.interface import Handler


@dataclass(frozen=True)
class LoadedModel:
    """A loaded model and what a result says about it.

    Args:
        model: Its entry.
        handlers: By kind.
        revision: Of its files.
        device: Where it is, for people.
        dtype: In which number format.
        loading_s: How long it took until it was ready.
        modules: That hold its weights.
        size_bytes: What they take of the memory that the shelf divides.
    """

    model: Model
    handlers: Mapping[str, Handler]
    revision: str
    device: str
    dtype: str
    loading_s: float
    modules: Sequence[nn.Module] = ()
    size_bytes: int = 0
