"""The interface between a worker and a model family: what a loader is given, and what a handler does.

A family names a `Loader`. The worker calls it once per model with a `LoadSpec`, and receives `LoadedModules`:
one `Handler` per kind of job. For each job the worker calls `Handler.perform` with the job's request and a
`JobContext`, which is the same for every kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from brushwork_schemas.artifact import Artifact, DigitalSource
from brushwork_schemas.artifact.video import Video
from brushwork_schemas.catalogue import AddOn, Model
from brushwork_schemas.warnings import ResultWarning
from PIL import Image
from torch import nn

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor


@dataclass(frozen=True)
class SavedCheckpoint:
    """The last checkpoint of a job, written by this attempt or by an earlier one.

    Args:
        data: The bytes that were passed to `JobContext.save_checkpoint`.
        summary: The JSON value that was passed with them.
    """

    data: bytes
    summary: Any


class JobContext(Protocol):
    """What a handler uses of the system while it performs one job.

    A context belongs to one attempt of one job. Use it only in the thread that called `Handler.perform`, and
    not after `perform` has returned.
    """

    @property
    def job_id(self) -> str:
        """The id of the job, at most 64 printable ASCII characters."""
        ...

    def picture(self, sha256: str) -> Image.Image:
        """Read an input picture.

        Args:
            sha256: The name of the input: 64 hexadecimal digits, as in the request.

        Returns:
            The decoded picture in mode RGB.

        Raises:
            ArtifactMissing: The store has no file of that name.
            InvalidImage: The file is not a picture, or the picture is too large.
        """
        ...

    def mask(self, sha256: str) -> Image.Image:
        """Read an input picture whose transparent parts count as black.

        Args:
            sha256: As for `picture`.

        Returns:
            The decoded picture in mode L.

        Raises:
            ArtifactMissing: The store has no file of that name.
            InvalidImage: The file is not a picture, or the picture is too large.
        """
        ...

    def file(self, sha256: str) -> bytes:
        """Read an input file as it was uploaded.

        Args:
            sha256: The name of the input: 64 hexadecimal digits, as in the request.

        Raises:
            ArtifactMissing: The store has no file of that name.
        """
        ...

    def save_picture(
        self,
        picture: Image.Image,
        *,
        source: DigitalSource | Literal["kind"] | None = "kind",
        seed: int | None = None,
        changed: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Store a picture as an output of the job.

        A new picture gets the file format that the request asks for, and its labels. A finding, such as a
        mask, is a PNG without labels.

        Args:
            picture: The picture.
            source: How it came to be, for its labels; None for a finding. By default as the kind states:
                `Kind.digital_source`.
            seed: Seed of this picture, if the job has several. The parameters in its file have this one.
            changed: Fields of the request that were different for this picture, such as its prompt.

        Returns:
            The reference to put into the result.

        Raises:
            ServiceUnreachable: The store cannot be reached. The job will be run again.
        """
        ...

    def save_video(
        self,
        frames: Sequence[Image.Image],
        fps: int,
        *,
        source: DigitalSource | Literal["kind"] | None = "kind",
        seed: int | None = None,
    ) -> Video:
        """Store a video as an output of the job, with its labels and a poster.

        Args:
            frames: The frames, all of one size. If a side is odd, its last row or column is repeated.
            fps: Frames per second.
            source: As for `save_picture`.
            seed: As for `save_picture`.

        Returns:
            The references to put into the result.

        Raises:
            ServiceUnreachable: The store cannot be reached. The job will be run again.
            InvalidRequest: The file is too large to be stored.
        """
        ...

    def save_file(self, data: bytes, media_type: str) -> Artifact:
        """Store any other file as an output of the job.

        Args:
            data: The content of the file.
            media_type: Its media type, for example `application/json`.

        Returns:
            The reference to put into the result.

        Raises:
            ServiceUnreachable: The store cannot be reached. The job will be run again.
        """
        ...

    def warn(self, warning: ResultWarning) -> None:
        """Add a warning to the result: something was done in another way than the request says.

        The same warning is added once. Warnings of an attempt that fails are lost.

        Args:
            warning: The warning. `result_warning` of `brushwork_schemas.warnings` makes those of the
                built-in families; a plug-in makes its own.
        """
        ...

    def denoiser_calls(self, computed: int, skipped: int) -> None:
        """Put into the provenance of the result how often a job with `acceleration` called its denoiser.

        Args:
            computed: Calls that the denoiser has computed.
            skipped: Calls whose answer was estimated from earlier ones.
        """
        ...

    def progress(self, step: int, total: int) -> None:
        """Report that `step` of `total` steps are done, and stop if the job must stop.

        Call it at least every few seconds: a canceled job ends here, and a job that reports nothing for
        longer than the stall limit of its kind counts as hung.

        Args:
            step: Steps that are done, 0 to `total`.
            total: All steps of the job; 0 if the number is not known yet.

        Raises:
            JobStopped: The job was canceled, its deadline has passed, or its lease is lost. Let it pass.
        """
        ...

    def check_stop(self) -> None:
        """Stop if the job must stop, without new progress to report. Also shows that the job is not hung.

        Raises:
            JobStopped: The job was canceled, its deadline has passed, or its lease is lost. Let it pass.
        """
        ...

    def wants_preview(self) -> bool:
        """Whether to call `show_preview` now.

        True while a client watches the job's previews and the last preview is at least one second old.
        """
        ...

    def show_preview(self, picture: Image.Image) -> None:
        """Show an unfinished picture to clients, as a small JPEG that belongs to the current step.

        Args:
            picture: A picture of any size, in mode RGB.
        """
        ...

    def checkpoint(self) -> SavedCheckpoint | None:
        """Read the last checkpoint of this job, to resume from it.

        Returns:
            The checkpoint that this attempt or an earlier one saved; None if the job starts from the
            beginning.
        """
        ...

    def save_checkpoint(self, data: bytes, summary: Any) -> None:
        """Save a checkpoint in place of the one before, so that another attempt can resume from it.

        If the ledger or the store cannot be reached, the previous checkpoint stays valid and the job goes on.

        Args:
            data: What the next attempt resumes from. Make it different for every job, for example by
                including the job id: files are stored by their content, and equal files of two jobs are one
                file.
            summary: A small JSON value (lists, dictionaries with string keys, strings, numbers, booleans,
                None) that describes the checkpoint.

        Raises:
            JobStopped: The lease of the job is lost. Let it pass.
        """
        ...


class Handler(Protocol):
    """A loaded model for one kind of job. Its methods may be called from many threads at once."""

    def warm_up(self) -> None:
        """Run once on made-up input, so that the first job does not pay for first-time initialisation."""
        ...

    def perform(self, request: Any, context: JobContext) -> dict[str, Any]:
        """Perform one job.

        Args:
            request: A validated request, of the kind's request type.
            context: Inputs, outputs, progress and checkpoints of this job.

        Returns:
            The fields of the kind's result, without `provenance` and `warnings`.

        Raises:
            JobStopped: `context` raised it; do not catch it.
            RequestError: The request or an input is wrong. The job fails at once.
            MachineError: The worker's machine is at fault. The job is run again, on another worker if there
                is one. `MemoryError` and `OSError` count as such, too.
            Exception: Any other error fails the job with the code `internal`.
        """
        ...


@runtime_checkable
class StepwiseHandler(Handler, Protocol):
    """A handler that calls its model once for each job, between two steps that are quick.

    The worker prepares several jobs in one thread, calls the model once for all of them, and makes the result
    of each. Jobs that run alone take the same steps; the worker does not call `perform`.
    """

    @property
    def row_pixels(self) -> int:
        """Pixels of one job in a call, as for `CallOptions.pixels_per_row`."""
        ...

    def prepared(self, request: Any, context: JobContext) -> Any:
        """Read the inputs of one job, and prepare them for the model.

        Args:
            request: As for `perform`.
            context: As for `perform`.

        Raises:
            Exception: As for `perform`. It ends this job alone.
        """
        ...

    def answers(self, prepared: Sequence[Any]) -> Sequence[Any]:
        """Call the model for one or several jobs.

        Args:
            prepared: What `prepared` returned for each of them.

        Returns:
            The answer for each, in the same order.

        Raises:
            Exception: If there are several jobs, the worker calls again for each alone.
        """
        ...

    def result(self, request: Any, context: JobContext, answer: Any) -> dict[str, Any]:
        """Make the result of one job.

        Args:
            request: As for `perform`.
            context: As for `perform`.
            answer: What `answers` returned for the job.

        Returns:
            As `perform`.

        Raises:
            Exception: As for `perform`. It ends this job alone.
        """
        ...


@dataclass(frozen=True)
class FoundAddOn:
    """A LoRA adapter, or another add-on, whose files are on this machine.

    Args:
        entry: Its catalogue entry.
        folder: The folder of its files, which are verified.
    """

    entry: AddOn
    folder: Path


@dataclass(frozen=True)
class LoadSpec:
    """Which model a loader loads, from which folder, onto which device.

    Args:
        model: The catalogue entry.
        folder: The folder of the model's files. They are verified: complete, of the pinned hashes, no pickle.
        device: The device to load the model onto.
        dtype: The number format of the weights.
        model_executor: Runs all heavy calls of the model; see `ModuleProxy`.
        kinds: The kinds of job that the model is to serve.
        add_ons: The add-ons that a job may ask for, by name.
        absent_add_ons: The add-ons of the catalogue for this family whose files are not on this machine.
    """

    model: Model
    folder: Path
    device: torch.device
    dtype: torch.dtype
    model_executor: ModelExecutor
    kinds: tuple[str, ...] = ()
    add_ons: Mapping[str, FoundAddOn] = field(default_factory=dict)
    absent_add_ons: tuple[AddOn, ...] = ()

    @property
    def options(self) -> CallOptions:
        """Options for the calls of this model: its name, and the largest batch that its entry allows."""
        return CallOptions(model=self.model.name, max_rows=self.model.max_batch)


@dataclass(frozen=True)
class LoadedModules:
    """The result of a loader.

    Args:
        handlers: One handler per kind; all share one set of weights.
        modules: The modules that hold weights, without add-ons. The model manager measures and moves them.
        engine_modules: The modules that an engine may run in place of torch, by name, if the catalogue entry
            has an `engine`; None means `modules`. `forward` of each must be called through the model
            executor, return tensors, and depend on nothing but its arguments and weights. Name a part of a
            module if its other methods are called, such as the decoder of an autoencoder.
    """

    handlers: Mapping[str, Handler]
    modules: Sequence[nn.Module] = ()
    engine_modules: Mapping[str, nn.Module] | None = None


Loader = Callable[[LoadSpec], LoadedModules]
"""Loads a model. It may raise `ModelUnavailable` with a reason; any other exception becomes one."""
