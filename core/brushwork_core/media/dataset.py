"""Data sets for classifiers: an archive with one folder of pictures for each class.

```
cat/1.png  cat/2.jpg  dog/1.png ...             folders of classes, or
train/cat/1.png  train/dog/1.png ...            training pictures, with
validation/cat/7.png ...                        validation pictures
```

All of these folders may be inside one other folder. Files of operating systems (`__MACOSX`, names with a
leading dot, `Thumbs.db`) are ignored. Any other file that is not a picture is an error.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.wording.phrase import said
from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.archive import Archive, refused, shown

MAX_CLASSES = 1000
MIN_CLASSES = 2
# One to train on, and one that may be held out.
MIN_PICTURES = 2
LONGEST_LABEL = 100
# About a quarter of an hour of decoding.
MAX_PIXELS = 50_000_000_000
TRAIN, VALIDATION = "train", "validation"
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")
_LAYOUT = "Put each picture into the folder of its class: cat/1.png, or train/cat/1.png."


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
        data: The archive.

    Raises:
        InvalidDataset: The archive cannot be read, exceeds a limit, or has another layout of folders.
    """

    def __init__(self, data: bytes) -> None:
        self._archive = Archive(data)
        self._num_pixels = 0
        located = _located([name for name in self._archive.names if not _is_ignored(name)])
        self.labels = tuple(sorted({label for part, label, _ in located if part == TRAIN}))
        self.has_validation = any(part == VALIDATION for part, _, _ in located)
        _check_classes(located, self.labels)
        index = {label: number for number, label in enumerate(self.labels)}
        self.entries = tuple(
            DatasetEntry(name, index[label], part == VALIDATION) for part, label, name in located
        )

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
            picture = pictures.decode(data, field=shown(name))
        except InvalidImage as error:
            raise refused(error.message, error.hint or "") from error
        self._num_pixels += picture.width * picture.height
        if self._num_pixels > MAX_PIXELS:
            raise refused(
                said("the pictures have more than {max_pixels} pixels together.", max_pixels=MAX_PIXELS),
                "Resize the pictures first.",
            )
        return picture


# The part (train or validation), the class, and the name of the file.
_Location = tuple[str, str, str]


def _is_ignored(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) or "__MACOSX" in parts or parts[-1] == "Thumbs.db"


def _located(names: Sequence[str]) -> list[_Location]:
    if not names:
        raise refused("the archive has no files.")
    paths = [name.split("/") for name in names]
    while len({path[0] for path in paths}) == 1 and all(len(path) > 2 for path in paths):
        if paths[0][0] == TRAIN:
            break
        paths = [path[1:] for path in paths]
    has_parts = any(path[0] == TRAIN and len(path) > 2 for path in paths)
    return [_location(path, name, has_parts=has_parts) for path, name in zip(paths, names, strict=True)]


def _location(path: Sequence[str], name: str, *, has_parts: bool) -> _Location:
    part, *below = path if has_parts else (TRAIN, *path)
    if part not in (TRAIN, VALIDATION):
        raise refused(
            said(
                "{shown} is outside the folders {train} and {validation}.",
                shown=shown(name),
                train=TRAIN,
                validation=VALIDATION,
            ),
            _LAYOUT,
        )
    if len(below) < 2:
        raise refused(said("{shown} is not in the folder of a class.", shown=shown(name)), _LAYOUT)
    if len(below) > 2:
        raise refused(said("{shown} is in a subfolder of a class.", shown=shown(name)), _LAYOUT)
    return part, below[0], name


def _check_classes(located: Sequence[_Location], labels: Sequence[str]) -> None:
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
            _LAYOUT,
        )
    counted = Counter(label for part, label, _ in located if part == TRAIN)
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
    for part, label, name in located:
        if part == VALIDATION and label not in counted:
            raise refused(
                said(
                    "{shown} belongs to a class that {train} does not have.", shown=shown(name), train=TRAIN
                ),
                _LAYOUT,
            )
