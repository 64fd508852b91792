"""Media types of archives, detected from their first bytes."""

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import ArtifactMissing

from brushwork_core.files.artifact_store import ArtifactStore

HEAD_BYTES = 512
# The signature of a tar follows the header fields of its first file.
_TAR_MARK = slice(257, 262)
_MARKS = {
    b"PK\x03\x04": "application/zip",
    b"\x1f\x8b": "application/gzip",
}
ENDINGS = {
    "application/zip": "zip",
    "application/x-tar": "tar",
    "application/gzip": "tar.gz",
}
# Other names of these types.
ALIASES = {
    "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip",
}


def archive_type(head: bytes) -> str | None:
    """Return the media type of an archive; None if the file is not a known archive.

    Args:
        head: The first `HEAD_BYTES` of the file, or all of a shorter file.
    """
    if head[_TAR_MARK] == b"ustar":
        return "application/x-tar"
    return next((media_type for mark, media_type in _MARKS.items() if head.startswith(mark)), None)


def stored_archive(store: ArtifactStore, sha256: str) -> Artifact | None:
    """Return a stored archive; None if the stored file is not an archive.

    Raises:
        ArtifactMissing: No file has this name.
        ServiceUnreachable: The store does not answer.
    """
    size_bytes = store.size_bytes(sha256)
    if size_bytes is None:
        raise ArtifactMissing(f"Artifact {sha256[:64]!r} is not in the store.")
    head = b"".join(store.stream(sha256, 0, min(size_bytes, HEAD_BYTES))) if size_bytes else b""
    if (media_type := archive_type(head)) is None:
        return None
    return Artifact(sha256=sha256, media_type=media_type, size_bytes=size_bytes)
