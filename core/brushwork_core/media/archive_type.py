"""Media types of archives, detected from their first bytes."""

from brushwork_schemas.artifact import ARCHIVE_HEAD_BYTES, Artifact, archive_type
from brushwork_schemas.errors import ArtifactMissing
from brushwork_schemas.wording.phrase import said

from brushwork_core.files.artifact_store import ArtifactStore

ENDINGS = {
    "application/zip": "zip",
    "application/x-tar": "tar",
    "application/gzip": "tar.gz",
}
# Other names of these types.
ALIASES = {
    "application/x-zip-compressed": "application/zip",
    "application/x-zip": "application/zip",
    "multipart/x-zip": "application/zip",
    "application/x-gzip": "application/gzip",
    "application/x-tgz": "application/gzip",
    "application/x-gtar": "application/x-tar",
    "application/tar": "application/x-tar",
    "application/x-compressed-tar": "application/gzip",
}


def stored_archive(store: ArtifactStore, sha256: str) -> Artifact | None:
    """Return a stored archive; None if the stored file is not an archive.

    Raises:
        ArtifactMissing: No file has this name.
        ServiceUnreachable: The store does not answer.
    """
    size_bytes = store.size_bytes(sha256)
    if size_bytes is None:
        raise ArtifactMissing(said("Artifact {sha256!r} is not in the store.", sha256=sha256[:64]))
    head = b"".join(store.stream(sha256, 0, min(size_bytes, ARCHIVE_HEAD_BYTES))) if size_bytes else b""
    if (media_type := archive_type(head)) is None:
        return None
    return Artifact(sha256=sha256, media_type=media_type, size_bytes=size_bytes)
