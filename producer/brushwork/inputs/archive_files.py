"""Open the data set that a caller gives: an archive of class folders, or a folder that is packed here."""

import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

from brushwork_schemas.artifact import ARCHIVE_HEAD_BYTES, archive_type
from brushwork_schemas.errors import InvalidDataset
from brushwork_schemas.wording.phrase import said

from brushwork.inputs.open_files import file_bytes, is_open_file, seekable

_HINT = "Give a zip or tar of class folders, such a folder, or the artifact of one that is stored already."
# A constant time, so that packing a folder twice gives the same archive, which is then stored once.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class GivenArchive:
    """An archive that is open for reading. It may be larger than memory.

    Args:
        file: Open binary file.
        field: Name of the request's field, for error messages.
        is_own: Whether `close` closes the file. A file that the caller has opened stays open.

    Raises:
        InvalidDataset: The file does not begin like a zip or tar.
    """

    def __init__(self, file: BinaryIO, field: str, *, is_own: bool = True) -> None:
        self.file = file
        self.field = field
        self._is_own = is_own
        self.size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        found = archive_type(file.read(ARCHIVE_HEAD_BYTES))
        file.seek(0)
        if found is None:
            self.close()
            raise invalid_dataset(field, "not a zip or tar")
        self.media_type = found

    def close(self) -> None:
        """Close the file, unless the caller has opened it."""
        if self._is_own:
            self.file.close()


def read_archive(given: object, field: str = "dataset") -> GivenArchive:
    """Open the archive that a caller gives.

    Args:
        given: Path of an archive or folder, bytes, or an open binary file.
        field: Name of the request's field, for error messages.

    Raises:
        InvalidDataset: `given` is none of these, or can't be read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        return GivenArchive(io.BytesIO(given), field)
    # An empty path would mean the current folder.
    if isinstance(given, str | os.PathLike) and str(given):
        return GivenArchive(_opened(given, field), field)
    if is_open_file(given):
        try:
            file, is_copy = seekable(given)
            return GivenArchive(file, field, is_own=is_copy)
        except (OSError, ValueError) as error:
            raise invalid_dataset(field, f"the open file can't be read: {error}") from error
    raise invalid_dataset(field, f"{given!r:.60} is not an archive")


def is_archive(given: object) -> bool:
    """Return whether a file that belongs to no request is a data set. If not, it is a picture.

    An open file must be one of `rewindable`, because its beginning is read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        return archive_type(bytes(given[:ARCHIVE_HEAD_BYTES])) is not None
    if isinstance(given, str | os.PathLike) and str(given):
        try:
            path = Path(given)
            if not path.is_file():
                return path.is_dir()
            with path.open("rb") as file:
                return archive_type(file.read(ARCHIVE_HEAD_BYTES)) is not None
        except (OSError, ValueError):
            return False
    return is_open_file(given) and _begins_like_archive(given)


def invalid_dataset(field: str, reason: str) -> InvalidDataset:
    """Return the error for a data set that can't be used.

    Args:
        field: Name of the request's field.
        reason: What is wrong, without a full stop.
    """
    return InvalidDataset(said("{field}: {reason}.", field=field, reason=reason), field=field, hint=_HINT)


def _begins_like_archive(file: BinaryIO) -> bool:
    try:
        return archive_type(file_bytes(file, ARCHIVE_HEAD_BYTES)) is not None
    except (OSError, ValueError):
        return False


def _opened(given: str | os.PathLike[str], field: str) -> BinaryIO:
    shown = repr(str(given)[:200])
    try:
        path = Path(given)
        if path.is_dir():
            return _packed(path, field)
        if not path.is_file() and path.exists():
            raise invalid_dataset(field, f"{shown} is not a regular file")
        return path.open("rb")
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise invalid_dataset(field, f"{shown} can't be read: {reason}") from error


def _packed(folder: Path, field: str) -> BinaryIO:
    """Pack the folder into a zip, in a file that is deleted when it is closed. Hidden files are left out."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    inner = {file: file.relative_to(folder) for file in files}
    visible = {file: name for file, name in inner.items() if not any(part[0] == "." for part in name.parts)}
    if not visible:
        raise invalid_dataset(field, f"there are no files in {str(folder)[:200]!r}")
    packed = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    # Pictures are compressed already.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file, name in visible.items():
            member = zipfile.ZipInfo(name.as_posix(), _NO_TIME)
            with file.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)
    return packed
