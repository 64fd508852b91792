"""The pictures of a dataset in memory, divided into those to train on and those to judge by."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from brushwork_core.media.archive import refused
from brushwork_core.media.dataset import Dataset
from torch import Tensor

from brushwork_workers.families.training.preparation import Preparation
from brushwork_workers.families.training.rng import generator
from brushwork_workers.interface import JobContext

MAX_BYTES = 4 * 2**30


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures and their classes.

    Args:
        pixels: uint8 [n, 3, side, side].
        labels: int64 [n].
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "Examples":
        """Those of these places."""
        return Examples(self.pixels[indices], self.labels[indices])

    def batches(self, size: int, order: Tensor | None = None) -> Iterator["Examples"]:
        """All of them, so many at a time."""
        for indices in batches_of(torch.arange(len(self)) if order is None else order, size):
            yield self.subset(indices)


@dataclass(frozen=True)
class DatasetSplit:
    """What a training has.

    Args:
        labels: Names of the classes.
        train: To train on.
        validation: To judge by; may be empty.
    """

    labels: tuple[str, ...]
    train: Examples
    validation: Examples


def batches_of(order: Tensor, size: int) -> Sequence[Tensor]:
    """`order`, so many at a time; one alone at the end joins those before it, for it has no variance."""
    pieces = list(order.split(size))
    if len(pieces) > 1 and size > 1 and len(pieces[-1]) == 1:
        last = pieces.pop()
        pieces[-1] = torch.cat([pieces[-1], last])
    return pieces


def read(
    context: JobContext, sha256: str, preparation: Preparation, validation_share: float, seed: int
) -> DatasetSplit:
    """The dataset of that name, decoded.

    Args:
        context: Whence it comes, and who hears that the job moves.
        sha256: The archive's.
        preparation: How each picture is made ready.
        share: Of each class, held out by `seed` where the archive has no folder to judge by.
        seed: The job's.

    Raises:
        InvalidDataset: It can't be read; the message names the file.
        JobStopped: The job is to stop.
    """
    dataset = Dataset(context.file(sha256))
    side, number = preparation.image_size, len(dataset.entries)
    if number * 3 * side * side > MAX_BYTES:
        raise refused(
            f"{number} pictures of {side} x {side} pixels are more than {MAX_BYTES >> 30} GiB.",
            "Ask for a smaller image_size, or give fewer pictures.",
        )
    pixels = torch.empty((number, 3, side, side), dtype=torch.uint8)
    for index, (_, picture) in enumerate(dataset.pictures()):
        context.progress(0, 0)
        pixels[index] = preparation.pixels(picture)
    examples = Examples(pixels, torch.tensor([entry.label for entry in dataset.entries]))
    is_validation = torch.tensor([entry.is_validation for entry in dataset.entries])
    if not dataset.has_validation:
        is_validation = held_out(examples.labels, validation_share, seed)
    train, validation = (
        examples.subset(selected.nonzero()[:, 0]) for selected in (~is_validation, is_validation)
    )
    return DatasetSplit(dataset.labels, train, validation)


def held_out(labels: Tensor, validation_share: float, seed: int) -> Tensor:
    """Which of the examples are held out: of each class that share, at least one where it is not 0."""
    is_validation = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        indices = (labels == label).nonzero()[:, 0]
        number = (
            min(max(1, round(validation_share * len(indices))), len(indices) - 1) if validation_share else 0
        )
        order = torch.randperm(len(indices), generator=generator(seed, "validation", label))
        is_validation[indices[order[:number]]] = True
    return is_validation
