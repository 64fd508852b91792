"""The pictures of a dataset in memory, divided into training and validation examples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from brushwork_core.media.archive_errors import refused
from brushwork_core.media.dataset import Dataset
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import said
from torch import Tensor

from brushwork_workers.families.training.preparation import Preparation
from brushwork_workers.families.training.rng import generator
from brushwork_workers.interface import JobContext

MAX_BYTES = 4 * 2**30


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures and their classes.

    Args:
        pixels: The pictures, uint8 [n, 3, side, side].
        labels: The index of the class of each picture, int64 [n].
    """

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> "Examples":
        """Return the examples with these indices."""
        return Examples(self.pixels[indices], self.labels[indices])

    def batches(self, size: int, order: Tensor | None = None) -> Iterator["Examples"]:
        """Yield all examples in batches of `size`, in the given order or in their own."""
        for indices in batches_of(torch.arange(len(self)) if order is None else order, size):
            yield self.subset(indices)


@dataclass(frozen=True)
class DatasetSplit:
    """A dataset, divided for a training.

    Args:
        labels: The names of the classes.
        train: The training examples.
        validation: The validation examples; may be empty.
        filename_encoding: The encoding of the file names, if the archive did not state it.
        validation_names: The name in the archive of each validation example.
    """

    labels: tuple[str, ...]
    train: Examples
    validation: Examples
    filename_encoding: str | None = None
    validation_names: tuple[str, ...] = ()


def batches_of(order: Tensor, size: int) -> Sequence[Tensor]:
    """Split `order` into batches of `size` indices.

    A last batch of one index is joined to the batch before it, because batch normalisation needs two
    pictures.
    """
    pieces = list(order.split(size))
    if len(pieces) > 1 and size > 1 and len(pieces[-1]) == 1:
        last = pieces.pop()
        pieces[-1] = torch.cat([pieces[-1], last])
    return pieces


def read(
    context: JobContext, sha256: str, preparation: Preparation, validation_share: float, seed: int
) -> DatasetSplit:
    """Read and decode a dataset.

    Args:
        context: The context of the job: the source of the archive, and the receiver of progress.
        sha256: The name of the archive in the store.
        preparation: The preprocessing of each picture.
        validation_share: The share of each class that is held out for validation, 0 to 1. Not used if the
            archive has a validation folder.
        seed: The seed of the job, which selects the examples that are held out.

    Raises:
        InvalidDataset: The archive or a picture cannot be read. The message names the file.
        JobStopped: The job was canceled.
    """
    dataset = Dataset(context.file(sha256))
    for warning in _warnings(dataset):
        context.warn(warning)
    side, number = preparation.image_size, len(dataset.entries)
    if number * 3 * side * side > MAX_BYTES:
        raise refused(
            said(
                "{number} pictures of {side} x {side} pixels need more than {max_bytes} GiB of memory.",
                number=number,
                side=side,
                max_bytes=MAX_BYTES >> 30,
            ),
            "Set a smaller image_size, or use fewer pictures.",
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
    divided = zip(dataset.entries, is_validation.tolist(), strict=True)
    names = tuple(entry.name for entry, is_held_out in divided if is_held_out)
    return DatasetSplit(dataset.labels, train, validation, dataset.name_encoding, names)


def _warnings(dataset: Dataset) -> Iterator[ResultWarning]:
    if dataset.name_encoding not in (None, "utf-8"):
        yield result_warning(
            "filenames_decoded", "dataset", encoding=dataset.name_encoding, labels=list(dataset.labels)
        )
    if dataset.judges_by_test:
        yield result_warning("test_folder_used", "dataset")
    if dataset.num_unused:
        yield result_warning("test_folder_unused", "dataset", number=dataset.num_unused)


def held_out(labels: Tensor, validation_share: float, seed: int) -> Tensor:
    """Select the examples that are held out for validation.

    Args:
        labels: The class of each example, int64 [n].
        validation_share: The share of each class to hold out, 0 to 1. If it is not 0, at least one example of
            each class is held out, and at least one stays.
        seed: The seed of the selection.

    Returns:
        True for each example that is held out, bool [n].
    """
    is_validation = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        indices = (labels == label).nonzero()[:, 0]
        number = (
            min(max(1, round(validation_share * len(indices))), len(indices) - 1) if validation_share else 0
        )
        order = torch.randperm(len(indices), generator=generator(seed, "validation", label))
        is_validation[indices[order[:number]]] = True
    return is_validation
