"""The interface between workers and model families: what a loader is given, and what a handler does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.kinds.image_classification_training import Epoch
from PIL import Image
from torch import nn

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor


@dataclass(frozen=True)
class SavedCheckpoint:
    """What an earlier attempt of a training has left: its curve so far, and what it goes on from."""

    curve: tuple[Epoch, ...]
    data: bytes


class JobContext(Protocol):
    """What a kind of job sees of the system around it."""

    @property
    def job_id(self) -> str:
        """The job's name, for results that others are to find by it."""
        ...

    def picture(self, sha256: str) -> Image.Image:
        """The input of that name, RGB.

        Raises:
            ArtifactMissing: It is not in the store.
            InvalidImage: It is no picture, or too large.
        """
        ...

    def file(self, sha256: str) -> bytes:
        """The input of that name, as it was given.

        Raises:
            ArtifactMissing: It is not in the store.
        """
        ...

    def keep(self, picture: Image.Image) -> Artifact:
        """Store a picture as a PNG output."""
        ...

    def keep_file(self, data: bytes, media_type: str) -> Artifact:
        """Store an output that is no picture."""
        ...

    def step(self, step: int, total: int) -> None:
        """Say that `step` of `total` steps are done.

        Raises:
            JobStopped: The job was canceled or its lease is lost; leave it.
        """
        ...

    def wants_preview(self) -> bool:
        """Whether `preview` would be looked at: somebody asked for one, and the last is a second old."""
        ...

    def preview(self, picture: Image.Image) -> None:
        """Show what there is so far, as a small JPEG of that moment's step."""
        ...

    def saved(self) -> SavedCheckpoint | None:
        """What the last `save` of this job has left, whichever attempt it was; None: it begins anew."""
        ...

    def save(self, curve: Sequence[Epoch], data: bytes) -> None:
        """Keep what another attempt goes on from, in place of what was kept before.

        Args:
            curve: All epochs so far; callers see them at once.
            data: No other job's are the same.

        Raises:
            JobStopped: The job's lease is lost; leave it.
        """
        ...


class Handler(Protocol):
    """A loaded model, for one kind of job; its methods may be called from many threads at once."""

    def warm_up(self) -> None:
        """Run once on nothing in particular, so that the first job finds everything in place."""
        ...

    def perform(self, request: Any, context: JobContext) -> dict[str, Any]:
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
class LoadSpec:
    """Where a model is loaded: from which folder, onto what, for whom.

    Args:
        model: The catalogue's entry.
        folder: Of its files, which are checked: all there, none pickled, of the pinned hashes.
        device: Onto which it is loaded.
        dtype: In which number format.
        model_executor: Through which its heavy calls go.
        kinds: What it is to serve.
        add_ons: What jobs may add to it, by name.
    """

    model: Model
    folder: Path
    device: torch.device
    dtype: torch.dtype
    model_executor: ModelExecutor
    kinds: tuple[str, ...] = ()
    add_ons: Mapping[str, FoundAddOn] = field(default_factory=dict)

    @property
    def options(self) -> CallOptions:
        """On what terms its calls may share a run."""
        return CallOptions(model=self.model.name, max_rows=self.model.max_batch)


@dataclass(frozen=True)
class LoadedModules:
    """What a loader gives.

    Args:
        handlers: By kind, one set of weights behind them all.
        modules: That hold weights, add-ons not counted; the shelf sizes and moves them.
    """

    handlers: Mapping[str, Handler]
    modules: Sequence[nn.Module] = ()


Loader = Callable[[LoadSpec], LoadedModules]
