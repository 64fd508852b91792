"""Data sets for classifiers: an archive with one folder of pictures for each class.

```
cat/1.png  cat/2.jpg  dog/1.png ...             folders of classes, or
train/cat/1.png  train/dog/1.png ...            training pictures, with
validation/cat/7.png ...                        validation pictures
```

All of these folders may be inside one other folder. `dataset_layout` has other names of the folders, and
`junk_files` the files of operating systems that are ignored. Any other file that is not a picture is an
error.

A folder `test` is not used, unless there are no validation pictures: then it has them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said
from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.archive import Archive
from brushwork_core.media.archive_errors import refused, shown
from brushwork_core.media.dataset_layout import LAYOUT, DatasetPart, Location, located
from brushwork_core.media.decoders.current import current_decoder
from brushwork_core.media.pictures import Reading

MAX_CLASSES = 1000
MIN_CLASSES = 2
# One to train on, and one that may be held out.
MIN_PICTURES = 2
LONGEST_LABEL = 100
# About a quarter of an hour of decoding.
MAX_PIXELS = 50_000_000_000
_ONE_FRAME = "Save one frame of it as a picture, and put that into the archive."
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")


@dataclass(frozen=True)
class DatasetEntry:
    """A picture of a data set.

    Args:
        name: Name of the file in the archive.
        label: Index of its class.
        is_validation: Whether it is a validation picture.
    """

    name: str
    label: int
    is_validation: bool


class Dataset:
    """A data set: pictures with their classes. The constructor checks everything but the pictures.

    Args:
        data: The archive: its bytes, or an open file that can seek.

    Raises:
        InvalidDataset: The archive cannot be read, exceeds a limit, or has another layout of folders.
    """

    def __init__(self, data: bytes | BinaryIO) -> None:
        if isinstance(data, bytes):
            # Where another process decodes, only what it could open within its limits is opened here.
            current_decoder().check_dataset(data)
        self._archive = Archive(data)
        self._num_pixels = 0
        found = located(self._archive.names)
        self._judging = _judging(found)
        self.labels = tuple(sorted({each.label for each in found if each.part is DatasetPart.TRAIN}))
        _check_classes(found, self.labels, self._judging)
        index = {label: number for number, label in enumerate(self.labels)}
        self.entries = tuple(
            DatasetEntry(each.name, index[each.label], each.part is self._judging)
            for each in found
            if each.part in (DatasetPart.TRAIN, self._judging)
        )
        self.num_unused = len(found) - len(self.entries)

    @property
    def has_validation(self) -> bool:
        """Whether there are validation pictures."""
        return any(entry.is_validation for entry in self.entries)

    @property
    def judges_by_test(self) -> bool:
        """Whether the pictures of `test` serve as validation pictures."""
        return self._judging is DatasetPart.TEST and self.has_validation

    @property
    def name_encoding(self) -> str | None:
        """Encoding of the file names, as Python calls it, if the archive did not state it."""
        return self._archive.encoding

    def pictures(self) -> Iterator[tuple[DatasetEntry, Image.Image]]:
        """Yield each entry with its picture in RGB.

        Raises:
            InvalidDataset: A file is not a picture or too large, or all pictures together are too large.
        """
        for entry in self.entries:
            yield entry, self._picture(entry.name)

    def _picture(self, name: str) -> Image.Image:
        data = self._archive.read(name)
        if data.startswith(_ARCHIVES):
            raise refused(
                said("{shown} is an archive.", shown=shown(name)), "Put only pictures into the archive."
            )
        try:
            picture = current_decoder().decoded(data, Reading(shown(name)))
        except InvalidImage as error:
            hint = _ONE_FRAME if error.hint == pictures.FRAMES_HINT else error.hint
            raise refused(error.message, hint or "") from error
        self._num_pixels += picture.width * picture.height
        if self._num_pixels > MAX_PIXELS:
            raise refused(
                said("the pictures have more than {max_pixels} pixels together.", max_pixels=MAX_PIXELS),
                "Resize the pictures first.",
            )
        return picture


def _judging(found: Sequence[Location]) -> DatasetPart:
    """The part that has the validation pictures."""
    parts = {each.part for each in found}
    return (
        DatasetPart.TEST
        if DatasetPart.TEST in parts and DatasetPart.VALIDATION not in parts
        else DatasetPart.VALIDATION
    )


def _check_classes(found: Sequence[Location], labels: Sequence[str], judging: DatasetPart) -> None:
    if not MIN_CLASSES <= len(labels) <= MAX_CLASSES:
        raise refused(
            said(
                "the data set has {num_labels} class{plural} to train on. It must have "
                "{min_classes} to {max_classes}.",
                num_labels=len(labels),
                plural="" if len(labels) == 1 else "es",
                min_classes=MIN_CLASSES,
                max_classes=MAX_CLASSES,
            ),
            LAYOUT,
        )
    counted = Counter(each.label for each in found if each.part is DatasetPart.TRAIN)
    for label in labels:
        if len(label) > LONGEST_LABEL:
            raise refused(
                said(
                    "the name of class {shown} has more than {longest_label} characters.",
                    shown=shown(label),
                    longest_label=LONGEST_LABEL,
                )
            )
        if counted[label] < MIN_PICTURES:
            raise refused(
                said(
                    "class {shown} has {counted} training picture. The minimum is {min_pictures}.",
                    shown=shown(label),
                    counted=counted[label],
                    min_pictures=MIN_PICTURES,
                ),
                "Add pictures to the class, or remove the class.",
            )
    for each in found:
        if each.part is judging and each.label not in counted:
            raise refused(
                said(
                    "{shown} belongs to a class that {train} does not have.",
                    shown=shown(each.name),
                    train=DatasetPart.TRAIN.value,
                ),
                LAYOUT,
            )
