"""A model that is loaded, what it serves, and where and with what it was loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from brushwork_schemas.catalogue import AddOn, Model
from torch import nn

from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import Calls
from brushwork_workers.desk import Desk


class Performer(Protocol):
    """A loaded model, for one kind of job; its methods may be called from many threads at once."""

    def warm_up(self) -> None:
        """Run once on nothing in particular, so that the first job finds everything in place."""
        ...

    def perform(self, request: Any, desk: Desk) -> dict[str, Any]:
        """Do one job.

        Returns:
            The fields of the kind's result, all but `provenance`.
        """
        ...


@dataclass(frozen=True)
class FoundAddOn:
    """A LoRA adapter or a ControlNet whose files are here."""

    entry: AddOn
    folder: Path


@dataclass(frozen=True)
class Place:
    """Where a model is loaded: from which folder, onto what, for whom.

    Args:
        model: The catalogue's entry.
        folder: Of its files, which are checked: all there, none pickled, of the pinned hashes.
        device: Onto which it is loaded.
        dtype: In which number format.
        calls: Through which its heavy calls go.
        kinds: What it is to serve.
        add_ons: What jobs may add to it, by name.
    """

    model: Model
    folder: Path
    device: torch.device
    dtype: torch.dtype
    calls: Calls
    kinds: tuple[str, ...] = ()
    add_ons: Mapping[str, FoundAddOn] = field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """On what terms its calls may share a run."""
        return Terms(model=self.model.name, max_rows=self.model.max_batch)


@dataclass(frozen=True)
class Loaded:
    """What a loader gives.

    Args:
        performers: By kind, one set of weights behind them all.
        modules: That hold weights, add-ons not counted; the shelf sizes and moves them.
    """

    performers: Mapping[str, Performer]
    modules: Sequence[nn.Module] = ()


Loader = Callable[[Place], Loaded]


@dataclass(frozen=True)
class Served:
    """A loaded model and what a result says about it.

    Args:
        model: Its entry.
        performers: By kind.
        revision: Of its files.
        device: Where it is, for people.
        dtype: In which number format.
        loading_s: How long it took until it was ready.
        modules: That hold its weights.
        size_bytes: What they take of the memory that the shelf divides.
    """

    model: Model
    performers: Mapping[str, Performer]
    revision: str
    device: str
    dtype: str
    loading_s: float
    modules: Sequence[nn.Module] = ()
    size_bytes: int = 0
