"""The artifact store: a folder or S3, through obstore. A file is named by the SHA-256 of its bytes."""

import itertools
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import obstore
from brushwork_schemas.artifact import Artifact, describe, is_sha256
from brushwork_schemas.errors import ArtifactMissing, ServiceUnreachable
from brushwork_schemas.errors.store import SETTING, StoreUnreachable
from brushwork_schemas.wording.phrase import said
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from brushwork_core.files.object_store import opened_store
from brushwork_core.files.sha256 import sha256_of, sha256_of_stream
from brushwork_core.files.store_faults import has_answered, is_bucket_missing, is_unsupported, store_fault
from brushwork_core.files.store_folder import Within, direct

if TYPE_CHECKING:
    # These classes of obstore exist only for type checkers.
    from obstore import GetOptions, GetResult, ObjectMeta

# A file that is older than this is written again when it is stored again.
REWRITE_AFTER_S = 600.0
PIECE_BYTES = 256 * 1024
# A file up to this size is sent in a few seconds, or the server is away.
SMALL_BYTES = 256 * 1024
# A large file is sent in parts, so many at once.
PART_BYTES, PARTS_AT_ONCE = 8 * 2**20, 4
# A full disk may still take a file of a few bytes.
CHECK_BYTES = 64 * 1024
# Any age, also a negative one if the clocks differ.
ANY_AGE_S = -24 * 3600.0
_CHECK = b"Written to check the store. "
# The name of the empty file, which nobody stores.
_ASKED = sha256_of(b"")
# All errors that a request of obstore raises.
_Item = TypeVar("_Item")
_FAILED = (BaseError, OSError, NotImplementedError)


class ArtifactStore:
    """Stores files by content. The same bytes are stored once, so a repeated write has no effect.

    Args:
        url: A folder, or an address of obstore: `s3://bucket/prefix`, `gs://`, `az://` or `memory:///`.

    Raises:
        ServiceUnreachable: The store cannot be opened.
    """

    def __init__(self, url: str) -> None:
        opened = opened_store(url)
        self._store, self._patient = opened.quick, opened.patient
        self._has_conditional_put = True
        self._within: Within = direct if opened.folder is None else opened.folder.within
        self._expect_mounted = _nothing if opened.folder is None else opened.folder.expect_mounted

    def put(self, data: bytes) -> str:
        """Store a file atomically.

        Returns:
            Its name, the SHA-256 of `data`.

        Raises:
            ServiceUnreachable: The store is full, read-only or unreachable.
        """
        sha256 = sha256_of(data)
        try:
            self._within(self._expect_mounted)
            # A large file gets much time to be sent. It is asked for first, which fails soon.
            is_created = (
                self._has_conditional_put and len(data) <= SMALL_BYTES and self._is_created(sha256, data)
            )
            # A rewritten file counts as new, so that it is not removed before a job refers to it.
            if not is_created and self._is_gone_or_old(sha256):
                self._within(lambda: obstore.put(self._for(data), _path(sha256), data), len(data))
        except _FAILED as error:
            raise store_fault(error) from error
        return sha256

    def _is_created(self, sha256: str, data: bytes) -> bool:
        try:
            self._within(lambda: obstore.put(self._for(data), _path(sha256), data, mode="create"), len(data))
        except AlreadyExistsError:
            return False
        except (BaseError, NotImplementedError) as error:
            if not is_unsupported(error):
                raise
            # Some servers do not know `If-None-Match`. They are asked for the file first.
            self._has_conditional_put = False
            return False
        return True

    def _for(self, data: bytes) -> ObjectStore:
        return self._store if len(data) <= SMALL_BYTES else self._patient

    def _is_gone_or_old(self, sha256: str) -> bool:
        found = self._found(sha256)
        return found is None or _is_older(found, REWRITE_AFTER_S)

    def old_files(self, older_than_s: float, at_once: int) -> Iterator[list["StoredFile"]]:
        """Yield lists of old files.

        Args:
            older_than_s: Minimum age in seconds.
            at_once: Number of files that are listed at once.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        try:
            self._within(self._expect_mounted)
            for found in self._each(obstore.list(self._store, chunk_size=at_once)):
                yield [
                    StoredFile(file["path"].rsplit("/", 1)[-1], file["size"])
                    for file in found
                    if is_sha256(file["path"].rsplit("/", 1)[-1]) and _is_older(file, older_than_s)
                ]
        except _FAILED as error:
            raise store_fault(error) from error

    def remove_if_old(self, sha256: str, older_than_s: float) -> bool:
        """Remove a file, unless it was stored again in the last `older_than_s` seconds.

        Returns:
            Whether the file was there, and was removed.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        found = self._found(sha256)
        if found is None or not _is_older(found, older_than_s):
            return False
        try:
            self._within(lambda: obstore.delete(self._store, _path(sha256)))
        except FileNotFoundError as error:
            self._expect_store(error)
            return False
        except _FAILED as error:
            raise store_fault(error) from error
        return True

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
            self._within(self._expect_mounted)
            if self._is_gone_or_old(sha256):
                self._within(
                    lambda: obstore.put(
                        *(self._patient, _path(sha256), file),
                        chunk_size=PART_BYTES,
                        max_concurrency=PARTS_AT_ONCE,
                    ),
                    size_bytes,
                )
        except _FAILED as error:
            raise store_fault(error) from error
        return Artifact(sha256=sha256, media_type=media_type, size_bytes=size_bytes)

    def get(self, sha256: str) -> bytes:
        """Return the bytes of a file.

        Raises:
            ArtifactMissing: No file has this name.
            ServiceUnreachable: The store does not answer.
        """
        try:
            if is_sha256(sha256):
                found, data = self._within(lambda: self._got(_path(sha256)))
                return bytes(self._within(found.bytes, found.meta["size"])) if data is None else data
        except FileNotFoundError as error:
            self._expect_store(error)
        except _FAILED as error:
            raise store_fault(error) from error
        raise _missing(sha256)

    def _got(self, path: str) -> "tuple[GetResult, bytes | None]":
        """Ask for a file, and read it at once if it is small: each call may have to go to another thread."""
        found = obstore.get(self._store, path)
        return found, bytes(found.bytes()) if found.meta["size"] <= SMALL_BYTES else None

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
            options: GetOptions = {"range": (start, end)}
            found = self._within(lambda: obstore.get(self._store, _path(sha256), options=options))
            for piece in self._each(found.stream(min_chunk_size=PIECE_BYTES)):
                yield bytes(piece)
        except FileNotFoundError as error:
            self._expect_store(error)
            raise _missing(sha256) from None
        except _FAILED as error:
            raise store_fault(error) from error

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
        found = self._found(sha256) if is_sha256(sha256) else None
        return None if found is None else int(found["size"])

    def _found(self, sha256: str) -> "ObjectMeta | None":
        try:
            return self._within(lambda: obstore.head(self._store, _path(sha256)))
        except _FAILED as error:
            # An answer to HEAD has no text, so it cannot tell a missing bucket from a missing file.
            if has_answered(error):
                return self._found_by_get(sha256)
            if isinstance(error, FileNotFoundError):
                self._expect_store(error)
                return None
            raise store_fault(error) from error

    def _found_by_get(self, sha256: str) -> "ObjectMeta | None":
        try:
            return self._within(lambda: obstore.get(self._store, _path(sha256))).meta
        except FileNotFoundError as error:
            self._expect_store(error)
        except _FAILED as error:
            raise store_fault(error) from error
        return None

    def _each(self, found: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the items, each within the time that a call may take."""
        items = iter(found)
        while (item := self._within(lambda: next(items, None))) is not None:
            yield item

    def _expect_store(self, error: FileNotFoundError) -> None:
        """Return if a file is missing, and not the bucket, or the folder that was mounted."""
        if is_bucket_missing(error):
            raise store_fault(error) from error
        try:
            self._within(self._expect_mounted)
        except OSError as other:
            raise store_fault(other) from other

    def expect_reachable(self) -> None:
        """Ask for a file, to see whether the store answers.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        self.has(_ASKED)

    def check(self, size_bytes: int = 0) -> None:
        """Write, read and remove a file, to see whether the store can be used.

        Args:
            size_bytes: Size of the largest file that waits to be stored.

        Raises:
            ServiceUnreachable: The store is full, read-only, misconfigured or unreachable.
        """
        # No two processes check with the same file: one would remove what the other has just stored.
        data = _CHECK + secrets.token_bytes(max(size_bytes, CHECK_BYTES))
        # Without the permission to list, S3 denies access where a file is missing.
        self.has(sha256_of(data))
        sha256 = self.put(data)
        try:
            is_same = self.get(sha256) == data
        except ArtifactMissing:
            is_same = False
        # Who may write need not be allowed to remove; `brushwork prune` removes it then.
        with suppress(ServiceUnreachable):
            self.remove_if_old(sha256, ANY_AGE_S)
        if not is_same:
            raise StoreUnreachable(
                said("The artifact store returned other bytes than were written."),
                field=SETTING,
                hint="Check its disks, and that no proxy or cache stands before it.",
            )


@dataclass(frozen=True)
class StoredFile:
    """A stored file: its name and its size."""

    sha256: str
    size_bytes: int


def _is_older(file: "ObjectMeta", seconds: float) -> bool:
    return (datetime.now(UTC) - file["last_modified"]).total_seconds() > seconds


def _nothing() -> None:
    """A bucket is never unmounted."""


def _missing(sha256: str) -> ArtifactMissing:
    return ArtifactMissing(
        said("Artifact {sha256!r} is not in the store.", sha256=sha256[:64]),
        hint="Producers and workers must use the same BRUSHWORK_ARTIFACTS_URL.",
    )


def _path(sha256: str) -> str:
    # Two levels, so that no folder has too many entries.
    return f"{sha256[:2]}/{sha256}"
