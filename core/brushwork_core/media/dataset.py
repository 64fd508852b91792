"""Pictures in folders, one for each class, out of an archive: what a classifier is trained on.

```
cat/1.png  cat/2.jpg  dog/1.png ...             classes at the top, or
train/cat/1.png  train/dog/1.png ...            pictures to train on, and beside them
validation/cat/7.png ...                        those to judge by
```

All of that may lie in one more folder. What systems leave behind (`__MACOSX`, names with a leading dot,
`Thumbs.db`) is passed over; whatever else is no picture is refused by name.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from brushwork_schemas.errors import InvalidImage
from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.archive import Archive, refused, shown

MAX_CLASSES = 1000
MIN_CLASSES = 2
# One to train on and one that may be held out.
MIN_PICTURES = 2
LONGEST_LABEL = 100
# About a quarter of an hour of decoding.
MAX_PIXELS = 50_000_000_000
TRAIN, VALIDATION = "train", "validation"
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"BZh", b"\xfd7zXZ")
_LAYOUT = "Put each picture into the folder of its class: cat/1.png, or train/cat/1.png."


@dataclass(frozen=True)
class DatasetEntry:
    """A picture of the archive: its name there, the index of its class, and whether it is to judge by."""

    name: str
    label: int
    is_validation: bool


class Dataset:
    """Named pictures with their classes. To open one checks all but the pictures themselves.

    Args:
        data: The archive.

    Raises:
        InvalidDataset: The archive can't be read or breaks a limit, or its folders are not as they should be.
    """

    def __init__(self, data: bytes) -> None:
        self._archive = Archive(data)
        self._num_pixels = 0
        placed = _placed([name for name in self._archive.names if not _is_left_behind(name)])
        self.labels = tuple(sorted({label for part, label, _ in placed if part == TRAIN}))
        self.has_validation = any(part == VALIDATION for part, _, _ in placed)
        _check_classes(placed, self.labels)
        index = {label: number for number, label in enumerate(self.labels)}
        self.entries = tuple(
            DatasetEntry(name, index[label], part == VALIDATION) for part, label, name in placed
        )

    def pictures(self) -> Iterator[tuple[DatasetEntry, Image.Image]]:
        """Each entry with its picture, RGB, one after another.

        Raises:
            InvalidDataset: One is no picture or too large, or all together are; the message names the file.
        """
        for entry in self.entries:
            yield entry, self._picture(entry.name)

    def _picture(self, name: str) -> Image.Image:
        data = self._archive.read(name)
        if data.startswith(_ARCHIVES):
            raise refused(f"{shown(name)} is an archive itself.", "Pack the pictures alone.")
        try:
            picture = pictures.decode(data, field=shown(name))
        except InvalidImage as error:
            raise refused(error.message, error.hint or "") from error
        self._num_pixels += picture.width * picture.height
        if self._num_pixels > MAX_PIXELS:
            raise refused(
                f"its pictures have more than {MAX_PIXELS} pixels together.", "Make them smaller first."
            )
        return picture


# The part it is in, its class, and its name.
_Placed = tuple[str, str, str]


def _is_left_behind(name: str) -> bool:
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) or "__MACOSX" in parts or parts[-1] == "Thumbs.db"


def _placed(names: Sequence[str]) -> list[_Placed]:
    if not names:
        raise refused("it holds no files.")
    paths = [name.split("/") for name in names]
    while len({path[0] for path in paths}) == 1 and all(len(path) > 2 for path in paths):
        if paths[0][0] == TRAIN:
            break
        paths = [path[1:] for path in paths]
    has_parts = any(path[0] == TRAIN and len(path) > 2 for path in paths)
    return [_place(path, name, has_parts=has_parts) for path, name in zip(paths, names, strict=True)]


def _place(path: Sequence[str], name: str, *, has_parts: bool) -> _Placed:
    part, *below = path if has_parts else (TRAIN, *path)
    if part not in (TRAIN, VALIDATION):
        raise refused(f"{shown(name)} lies beside the folders {TRAIN} and {VALIDATION}.", _LAYOUT)
    if len(below) < 2:
        raise refused(f"{shown(name)} lies in no folder of a class.", _LAYOUT)
    if len(below) > 2:
        raise refused(f"{shown(name)} lies in a folder within that of a class.", _LAYOUT)
    return part, below[0], name


def _check_classes(placed: Sequence[_Placed], labels: Sequence[str]) -> None:
    if not MIN_CLASSES <= len(labels) <= MAX_CLASSES:
        raise refused(
            f"it has {len(labels)} class{'' if len(labels) == 1 else 'es'} to train on; "
            f"there are to be {MIN_CLASSES} to {MAX_CLASSES}.",
            _LAYOUT,
        )
    counted = Counter(label for part, label, _ in placed if part == TRAIN)
    for label in labels:
        if len(label) > LONGEST_LABEL:
            raise refused(f"the name of class {shown(label)} has more than {LONGEST_LABEL} characters.")
        if counted[label] < MIN_PICTURES:
            raise refused(
                f"class {shown(label)} has {counted[label]} picture to train on, fewer than {MIN_PICTURES}.",
                "Add pictures to it, or leave it out.",
            )
    for part, label, name in placed:
        if part == VALIDATION and label not in counted:
            raise refused(f"{shown(name)} is of a class that {TRAIN} does not have.", _LAYOUT)
