"""Turn the data set that a caller gives into an artifact of the store."""

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.archive_type import stored_archive
from brushwork_schemas.artifact import Artifact, is_sha256
from brushwork_schemas.errors import ArtifactMissing

from brushwork.inputs.archive_files import GivenArchive, invalid_dataset, read_archive


class DatasetInputs:
    """Checks and stores the archives that callers give.

    Args:
        store: The artifact store.
        max_bytes: Most bytes of one archive.
    """

    def __init__(self, store: ArtifactStore, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes

    def read(self, given: object, field: str = "dataset") -> Artifact | GivenArchive:
        """Open an archive, or find the stored one. Nothing is stored; a worker checks the content later.

        Args:
            given: As for `read_archive`; or an artifact, or the name of one.
            field: Name of the request's field, for error messages.

        Raises:
            InvalidDataset: `given` is not a data set, can't be read, is too large, or is not in the store.
        """
        if isinstance(given, Artifact):
            return self._known(given.sha256, field)
        if isinstance(given, str) and is_sha256(given):
            return self._known(given, field)
        archive = read_archive(given, field)
        if archive.size_bytes > self._max_bytes:
            archive.close()
            raise invalid_dataset(
                field, f"the archive has {archive.size_bytes} bytes, more than {self._max_bytes}"
            )
        return archive

    def keep(self, archive: GivenArchive) -> Artifact:
        """Store the archive.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        return self._store.put_stream(archive.file, archive.media_type)

    def _known(self, sha256: str, field: str) -> Artifact:
        try:
            found = stored_archive(self._store, sha256)
        except ArtifactMissing:
            raise invalid_dataset(field, f"artifact {sha256} is not in this store") from None
        if found is None:
            raise invalid_dataset(field, f"artifact {sha256} is not an archive")
        return found
