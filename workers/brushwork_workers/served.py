"""A model that is loaded and serves one kind of job, and the loaders by kind."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from brushwork_schemas.catalogue import Model

from brushwork_workers.batching.terms import Terms
from brushwork_workers.calls import Calls
from brushwork_workers.desk import Desk


class Performer(Protocol):
    """A loaded model; its methods may be called from many threads at once."""

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
class Place:
    """Where a model is loaded: from which folder, onto what, with which calls."""

    model: Model
    folder: Path
    device: torch.device
    dtype: torch.dtype
    calls: Calls

    @property
    def terms(self) -> Terms:
        """On what terms its calls may share a run."""
        return Terms(model=self.model.name, max_rows=self.model.max_batch)


Loader = Callable[[Place], Performer]


@dataclass(frozen=True)
class Served:
    """A performer and what a result says about it."""

    model: Model
    performer: Performer
    revision: str
    device: str
    dtype: str
    loading_s: float
