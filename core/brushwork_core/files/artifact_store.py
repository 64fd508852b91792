"""Where artifacts lie: a folder or S3, through obstore; each named by the SHA-256 of its bytes."""

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
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from brushwork_core.files.sha256 import sha256_of, sha256_of_stream

if TYPE_CHECKING:
    # obstore has it for type checkers only.
    from obstore import ObjectMeta

# A file of that age that is stored again is written again.
AGES_S = 600.0
PIECE_BYTES = 256 * 1024


class ArtifactStore:
    """Files by content: writing the same bytes twice is writing them once, so a late duplicate harms nothing.

    Args:
        url: A folder, or an address that obstore knows (`s3://bucket/prefix`, `gs://`, `az://`, `memory:///`).
    """

    def __init__(self, url: str) -> None:
        self._store = _opened(url)

    def put(self, data: bytes) -> str:
        """Store `data` atomically: it is there in full or not at all.

        Returns:
            The SHA-256 by which it is found.

        Raises:
            ServiceUnreachable: The store does not take it (full, read-only, out of reach).
        """
        sha256 = sha256_of(data)
        try:
            self._create(sha256, data)
        except (BaseError, OSError) as error:
            raise _refusing(error) from error
        return sha256

    def _create(self, sha256: str, data: bytes) -> None:
        try:
            obstore.put(self._store, _path(sha256), data, mode="create")
        except AlreadyExistsError:
            # Written once more it counts as new, and is not swept away before a job refers to it.
            if self._is_gone_or_old(sha256):
                obstore.put(self._store, _path(sha256), data)

    def _is_gone_or_old(self, sha256: str) -> bool:
        try:
            return _is_older(obstore.head(self._store, _path(sha256)), AGES_S)
        except FileNotFoundError:
            return True

    def old_files(self, older_than_s: float, at_once: int) -> Iterator[list["StoredFile"]]:
        """All files that were stored so long ago, some at a time.

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
            raise _silent(error) from error

    def remove_if_old(self, sha256: str, older_than_s: float) -> None:
        """Remove a file, unless it was stored again since.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        try:
            if _is_older(obstore.head(self._store, _path(sha256)), older_than_s):
                obstore.delete(self._store, _path(sha256))
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _silent(error) from error

    def put_picture(self, data: bytes) -> Artifact:
        """Store an encoded picture, as `put`, and describe it."""
        return describe(data, self.put(data))

    def put_file(self, data: bytes, media_type: str) -> Artifact:
        """Store a file that is no picture, as `put`, and describe it."""
        return Artifact(sha256=self.put(data), media_type=media_type, size_bytes=len(data))

    def put_stream(self, file: BinaryIO, media_type: str) -> Artifact:
        """Store an open file that may be larger than memory, and describe it. It is read twice.

        Raises:
            ServiceUnreachable: As `put`.
        """
        file.seek(0)
        sha256 = sha256_of_stream(file)
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            if self._is_gone_or_old(sha256):
                obstore.put(self._store, _path(sha256), file)
        except (BaseError, OSError) as error:
            raise _refusing(error) from error
        return Artifact(sha256=sha256, media_type=media_type, size_bytes=size_bytes)

    def get(self, sha256: str) -> bytes:
        """The bytes of that name.

        Raises:
            ArtifactMissing: There are none.
            ServiceUnreachable: The store does not answer.
        """
        try:
            if is_sha256(sha256):
                return bytes(obstore.get(self._store, _path(sha256)).bytes())
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _silent(error) from error
        raise _missing(sha256)

    def stream(self, sha256: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to and without `end`, in pieces; the first is read before this returns.

        Raises:
            ArtifactMissing: There is no file of that name.
            ServiceUnreachable: The store does not answer; also in the midst of it.
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
            raise _silent(error) from error

    def has(self, sha256: str) -> bool:
        """Whether there are bytes of that name.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        return self.size_bytes(sha256) is not None

    def size_bytes(self, sha256: str) -> int | None:
        """How many bytes there are of that name; None where there is no such file.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        try:
            if is_sha256(sha256):
                return int(obstore.head(self._store, _path(sha256))["size"])
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _silent(error) from error
        return None


@dataclass(frozen=True)
class StoredFile:
    """A file of the store."""

    sha256: str
    size_bytes: int


def _is_older(file: "ObjectMeta", seconds: float) -> bool:
    return (datetime.now(UTC) - file["last_modified"]).total_seconds() > seconds


def _opened(url: str) -> ObjectStore:
    try:
        if "://" in url and not url.startswith("file://"):
            return from_url(url)
        # An address of a folder has the percent signs of an address, which a folder's name has not.
        folder = unquote(url.removeprefix("file://")) if "://" in url else url
        return LocalStore(Path(folder).absolute(), mkdir=True)
    except (BaseError, ValueError, OSError) as error:
        raise ServiceUnreachable(
            f"The artifact store can't be opened: {_first_line(error)}.",
            field="artifacts_url",
            hint="BRUSHWORK_ARTIFACTS_URL is a folder that can be written, or s3://bucket/prefix.",
        ) from error


def _missing(sha256: str) -> ArtifactMissing:
    return ArtifactMissing(
        f"Artifact {sha256[:64]!r} is not in the store.",
        hint="Producers and workers must use the same BRUSHWORK_ARTIFACTS_URL.",
    )


def _refusing(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        f"The artifact store takes no file: {_first_line(error)}.",
        field="artifacts_url",
        hint="Check BRUSHWORK_ARTIFACTS_URL, free space and write access.",
    )


def _silent(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        f"The artifact store does not answer: {_first_line(error)}.",
        field="artifacts_url",
        hint="Check BRUSHWORK_ARTIFACTS_URL.",
    )


def _first_line(error: Exception) -> str:
    # obstore's errors go on for pages.
    return str(error).split("\n", 1)[0].rstrip(".")


def _path(sha256: str) -> str:
    # Two levels, so that no folder grows without bound.
    return f"{sha256[:2]}/{sha256}"
