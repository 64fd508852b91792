"""What a caller may give as a data set: an archive of class folders, or such a folder itself."""

import io
import os
import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO, cast

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.archive_type import HEAD_BYTES, archive_type, stored_archive
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import ArtifactMissing, InvalidDataset

DatasetInput = str | Path | bytes | BinaryIO | Artifact
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HINT = "Give a zip or tar of class folders, such a folder, or the artifact of one that was brought before."
# A folder gives the same archive whenever it is packed, so that it is stored once.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class GivenArchive:
    """An archive, opened; it may be larger than memory.

    Args:
        file: Opened for reading in binary.
        field: The request's field that an error names.

    Raises:
        InvalidDataset: It does not begin as an archive does.
    """

    def __init__(self, file: BinaryIO, field: str) -> None:
        self.file = file
        self.field = field
        self.size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        found = archive_type(file.read(HEAD_BYTES))
        file.seek(0)
        if found is None:
            file.close()
            raise _wrong(field, "this is no zip and no tar")
        self.media_type = found

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def read_archive(given: object, field: str = "dataset") -> GivenArchive:
    """The archive that was given, opened.

    Args:
        given: A path of an archive or of a folder, bytes, or an open file.
        field: The request's field that an error names.

    Raises:
        InvalidDataset: It is none of them, or can't be read.
    """
    if isinstance(given, bytes | bytearray | memoryview):
        return GivenArchive(io.BytesIO(given), field)
    # Of no letters at all a path would make the folder where one is.
    if isinstance(given, str | Path) and str(given):
        return GivenArchive(_of_path(Path(given), field), field)
    if _is_open_file(given):
        return GivenArchive(cast("BinaryIO", given), field)
    raise _wrong(field, f"{given!r:.60} is no archive")


def is_archive(given: object) -> bool:
    """Whether `given` is to be taken for a data set and not for a picture."""
    if isinstance(given, bytes | bytearray | memoryview):
        return archive_type(bytes(given[:HEAD_BYTES])) is not None
    if isinstance(given, str | Path) and str(given):
        try:
            path = Path(given)
            if not path.is_file():
                return path.is_dir()
            with path.open("rb") as file:
                return archive_type(file.read(HEAD_BYTES)) is not None
        except (OSError, ValueError):
            return False
    return _is_open_file(given)


class DatasetInputs:
    """Stores the archives that callers give.

    Args:
        store: Where they go.
        max_bytes: Most bytes of one.
    """

    def __init__(self, store: ArtifactStore, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes

    def read(self, given: object, field: str = "dataset") -> Artifact | GivenArchive:
        """What `keep` needs; nothing is stored yet, and what is within is looked at by who trains on it.

        Args:
            given: As for `read_archive`; or an artifact, or its name.
            field: The request's field that an error names.

        Raises:
            InvalidDataset: It is none of them, or can't be read, or is too large, or not in the store.
        """
        if isinstance(given, Artifact):
            return self._known(given.sha256, field)
        if isinstance(given, str) and _SHA256.fullmatch(given):
            return self._known(given, field)
        archive = read_archive(given, field)
        if archive.size_bytes > self._max_bytes:
            archive.close()
            raise _wrong(field, f"the archive has {archive.size_bytes} bytes, more than {self._max_bytes}")
        return archive

    def keep(self, archive: GivenArchive) -> Artifact:
        """The artifact.

        Raises:
            ServiceUnreachable: The store does not take it.
        """
        return self._store.put_stream(archive.file, archive.media_type)

    def _known(self, sha256: str, field: str) -> Artifact:
        try:
            found = stored_archive(self._store, sha256)
        except ArtifactMissing:
            raise _wrong(field, f"artifact {sha256} is not in this store") from None
        if found is None:
            raise _wrong(field, f"artifact {sha256} is no archive")
        return found


def _is_open_file(given: object) -> bool:
    return callable(getattr(given, "read", None)) and callable(getattr(given, "seek", None))


def _of_path(path: Path, field: str) -> BinaryIO:
    shown = repr(str(path)[:200])
    try:
        if path.is_dir():
            return _packed(path, field)
        if not path.is_file() and path.exists():
            raise _wrong(field, f"{shown} is no file")
        return path.open("rb")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _wrong(field, f"{shown} can't be read: {reason}") from error


def _packed(folder: Path, field: str) -> BinaryIO:
    """The folder as a zip, in a file that is gone when it is closed; hidden files are left out."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    inner = {file: file.relative_to(folder) for file in files}
    shown = {file: name for file, name in inner.items() if not any(part[0] == "." for part in name.parts)}
    if not shown:
        raise _wrong(field, f"there are no files in {str(folder)[:200]!r}")
    packed = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - whoever asked for it closes it
    # Pictures are compressed already.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file, name in shown.items():
            member = zipfile.ZipInfo(name.as_posix(), _NO_TIME)
            with file.open("rb") as source, archive.open(member, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)
    return packed


def _wrong(field: str, reason: str) -> InvalidDataset:
    return InvalidDataset(f"{field}: {reason}.", field=field, hint=_HINT)
