"""The folders of a data set: which class each file belongs to, and which of them are for training."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from brushwork_schemas.errors import InvalidDataset
from brushwork_schemas.wording.phrase import said

from brushwork_core.media.archive_errors import refused, shown
from brushwork_core.media.picture_formats import ENDINGS

REMOVE = "Remove files that are not pictures, and put each picture into the folder of its class: cat/1.png."
LAYOUT = "Put each picture into the folder of its class: cat/1.png, or train/cat/1.png."


class DatasetPart(Enum):
    """A part of a data set."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


# Usual names of the folders of each part, in lower case.
_NAMES = {
    DatasetPart.TRAIN: ("train", "training", "训练集", "训练"),
    DatasetPart.VALIDATION: ("validation", "val", "valid", "validate", "eval", "dev", "验证集", "验证"),
    DatasetPart.TEST: ("test", "testing", "测试集", "测试"),
}
_PARTS = {name: part for part, names in _NAMES.items() for name in names}
_ENDINGS = (
    *(f".{ending}" for ending in ENDINGS.values()),
    ".jpeg",
    ".jpe",
    ".jfif",
    ".tif",
    ".heif",
    ".apng",
)


@dataclass(frozen=True)
class Location:
    """The place of a file in a data set.

    Args:
        part: The part it belongs to.
        label: Its class, in the Unicode form NFC, so that one name is one class.
        name: Name of the file in the archive.
    """

    part: DatasetPart
    label: str
    name: str


def located(names: Sequence[str]) -> list[Location]:
    """Return the place of each file.

    Args:
        names: Names of the files, without junk.

    Raises:
        InvalidDataset: A file is in no folder of a class, or in a folder below one.
    """
    if not names:
        raise refused("the archive has no files.")
    paths = [(unicodedata.normalize("NFC", name).split("/"), name) for name in names]
    while _has_one_root(paths):
        loose = next((name for path, name in paths if len(path) == 1), None)
        if loose is not None:
            raise _outside(loose)
        paths = [(path[1:], name) for path, name in paths]
    try:
        return _locations(paths)
    except InvalidDataset as error:
        odd = next((name for _, name in paths if not name.lower().endswith(_ENDINGS)), None)
        if odd is None or shown(odd) in error.message:
            raise
        # Such a file is more likely to be in the wrong place than the pictures around it.
        raise refused(
            said("{shown} does not have the name of a picture.", shown=shown(odd)), REMOVE
        ) from None


def _locations(paths: Sequence[tuple[list[str], str]]) -> list[Location]:
    has_parts = any(_part(path) is DatasetPart.TRAIN for path, _ in paths)
    return [_location(path, name, has_parts=has_parts) for path, name in paths]


def _has_one_root(paths: Sequence[tuple[list[str], str]]) -> bool:
    """Whether all files but some loose ones are in one folder that is neither a class nor a part."""
    deep = [path for path, _ in paths if len(path) > 1]
    if len({path[0] for path in deep}) != 1 or all(len(path) == 2 for path in deep):
        return False
    if any(_part(path) is DatasetPart.TRAIN for path in deep):
        return False
    return all(len(path) > 2 for path in deep) or not _looks_like_a_class(deep)


def _looks_like_a_class(deep: Sequence[list[str]]) -> bool:
    """Whether the one folder has more files of its own than files in folders below it."""
    return sum(len(path) == 2 for path in deep) > len(deep) / 2


def _part(path: Sequence[str]) -> DatasetPart | None:
    return _PARTS.get(path[0].lower()) if len(path) > 2 else None


def _location(path: Sequence[str], name: str, *, has_parts: bool) -> Location:
    part, below = DatasetPart.TRAIN, path
    if has_parts:
        found = _PARTS.get(path[0].lower())
        if found is None or len(path) == 1:
            raise refused(
                said(
                    "{shown} is outside the folders train; validation, val or valid; and test.",
                    shown=shown(name),
                ),
                LAYOUT,
            )
        part, below = found, path[1:]
    if len(below) < 2:
        raise _outside(name)
    if len(below) > 2:
        raise refused(said("{shown} is in a subfolder of a class.", shown=shown(name)), LAYOUT)
    return Location(part, below[0], name)


def _outside(name: str) -> InvalidDataset:
    return refused(said("{shown} is not in the folder of a class.", shown=shown(name)), REMOVE)
