"""The artifact store: a folder or S3, through obstore. A file is named by the SHA-256 of its bytes."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote

import obstore
from brushwork_schemas.artifact import Artifact, describe, is_sha256
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from brushwork_schemas.wording.phrase import private, said
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from brushwork_core.files.sha256 import sha256_of, sha256_of_stream

if TYPE_CHECKING:
    # This class of obstore exists only for type checkers.
    from obstore import ObjectMeta

# A file that is older than this is written again when it is stored again.
REWRITE_AFTER_S = 600.0
PIECE_BYTES = 256 * 1024


class ArtifactStore:
    """Stores files by content. The same bytes are stored once, so a repeated write has no effect.

    Args:
        url: A folder, or an address of obstore: `s3://bucket/prefix`, `gs://`, `az://` or `memory:///`.

    Raises:
        ServiceUnreachable: The store cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._store = _opened(url)

    def put(self, data: bytes) -> str:
        """Store a file atomically.

        Returns:
            Its name, the SHA-256 of `data`.

        Raises:
            ServiceUnreachable: The store is full, read-only or unreachable.
        """
        sha256 = sha256_of(data)
        try:
            self._create(sha256, data)
        except (BaseError, OSError) as error:
            raise _not_written(error) from error
        return sha256

    def _create(self, sha256: str, data: bytes) -> None:
        try:
            obstore.put(self._store, _path(sha256), data, mode="create")
        except AlreadyExistsError:
            # A rewritten file counts as new, so that it is not removed before a job refers to it.
            if self._is_gone_or_old(sha256):
                obstore.put(self._store, _path(sha256), data)

    def _is_gone_or_old(self, sha256: str) -> bool:
        try:
            return _is_older(obstore.head(self._store, _path(sha256)), REWRITE_AFTER_S)
        except FileNotFoundError:
            return True

    def old_files(self, older_than_s: float, at_once: int) -> Iterator[list["StoredFile"]]:
        """Yield lists of old files.

        Args:
            older_than_s: Minimum age in seconds.
            at_once: Number of files that are listed at once.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        try:
            for found in obstore.list(self._store, chunk_size=at_once):
                yield [
                    StoredFile(file["path"].rsplit("/", 1)[-1], file["size"])
                    for file in found
                    if is_sha256(file["path"].rsplit("/", 1)[-1]) and _is_older(file, older_than_s)
                ]
        except (BaseError, OSError) as error:
            raise _unreachable(error) from error

    def remove_if_old(self, sha256: str, older_than_s: float) -> None:
        """Remove a file, unless it was stored again in the last `older_than_s` seconds.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        try:
            if _is_older(obstore.head(self._store, _path(sha256)), older_than_s):
                obstore.delete(self._store, _path(sha256))
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _unreachable(error) from error

    def put_picture(self, data: bytes) -> Artifact:
        """Store an encoded picture, and return its artifact."""
        return describe(data, self.put(data))

    def put_file(self, data: bytes, media_type: str) -> Artifact:
        """Store a file that is not a picture, and return its artifact."""
        return Artifact(sha256=self.put(data), media_type=media_type, size_bytes=len(data))

    def put_stream(self, file: BinaryIO, media_type: str) -> Artifact:
        """Store an open file that may be larger than memory, and return its artifact. The file is read twice.

        Raises:
            ServiceUnreachable: The store is full, read-only or unreachable.
        """
        file.seek(0)
        sha256 = sha256_of_stream(file)
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            if self._is_gone_or_old(sha256):
                obstore.put(self._store, _path(sha256), file)
        except (BaseError, OSError) as error:
            raise _not_written(error) from error
        return Artifact(sha256=sha256, media_type=media_type, size_bytes=size_bytes)

    def get(self, sha256: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            ArtifactMissing: No file has this name.
            ServiceUnreachable: The store does not answer.
        """
        try:
            if is_sha256(sha256):
                return bytes(obstore.get(self._store, _path(sha256)).bytes())
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _unreachable(error) from error
        raise _missing(sha256)

    def stream(self, sha256: str, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` (inclusive) to `end` (exclusive), in pieces of about 256 KiB.

        The first piece is read before this returns.

        Raises:
            ArtifactMissing: No file has this name.
            ServiceUnreachable: The store does not answer. This may also be raised between two pieces.
        """
        pieces = self._pieces(sha256, start, end)
        first = next(pieces, b"")
        return itertools.chain((first,), pieces)

    def _pieces(self, sha256: str, start: int, end: int) -> Iterator[bytes]:
        if not is_sha256(sha256):
            raise _missing(sha256)
        try:
            found = obstore.get(self._store, _path(sha256), options={"range": (start, end)})
            for piece in found.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)
        except FileNotFoundError:
            raise _missing(sha256) from None
        except (BaseError, OSError) as error:
            raise _unreachable(error) from error

    def has(self, sha256: str) -> bool:
        """Return whether a file of that name is stored.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        return self.size_bytes(sha256) is not None

    def size_bytes(self, sha256: str) -> int | None:
        """Return the size of a file in bytes; None if no file has this name.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        try:
            if is_sha256(sha256):
                return int(obstore.head(self._store, _path(sha256))["size"])
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _unreachable(error) from error
        return None


@dataclass(frozen=True)
class StoredFile:
    """A stored file: its name and its size."""

    sha256: str
    size_bytes: int


def _is_older(file: "ObjectMeta", seconds: float) -> bool:
    return (datetime.now(UTC) - file["last_modified"]).total_seconds() > seconds


def _opened(url: str) -> ObjectStore:
    try:
        if "://" in url and not url.startswith("file://"):
            return from_url(url)
        # In a file:// address, characters of the folder may be percent-encoded.
        folder = unquote(url.removeprefix("file://")) if "://" in url else url
        return LocalStore(Path(folder).absolute(), mkdir=True)
    except (BaseError, ValueError, OSError) as error:
        raise ServiceUnreachable(
            said("Cannot open the artifact store: {first_line}.", first_line=private(_first_line(error))),
            field="artifacts_url",
            hint="Set BRUSHWORK_ARTIFACTS_URL to a writable folder, or to s3://bucket/prefix.",
        ) from error


def _missing(sha256: str) -> ArtifactMissing:
    return ArtifactMissing(
        said("Artifact {sha256!r} is not in the store.", sha256=sha256[:64]),
        hint="Producers and workers must use the same BRUSHWORK_ARTIFACTS_URL.",
    )


def _not_written(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        said("Cannot write to the artifact store: {first_line}.", first_line=private(_first_line(error))),
        field="artifacts_url",
        hint="Check BRUSHWORK_ARTIFACTS_URL, the free space and the permission to write.",
    )


def _unreachable(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        said("The artifact store does not answer: {first_line}.", first_line=private(_first_line(error))),
        field="artifacts_url",
        hint="Check BRUSHWORK_ARTIFACTS_URL.",
    )


def _first_line(error: Exception) -> str:
    # Messages of obstore can have many lines.
    return str(error).split("\n", 1)[0].rstrip(".")


def _path(sha256: str) -> str:
    # Two levels, so that no folder has too many entries.
    return f"{sha256[:2]}/{sha256}"
