"""Read and store the files of a request: pictures and archives."""

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields

from brushwork.inputs.archive_files import GivenArchive, is_archive
from brushwork.inputs.dataset_input import DatasetInputs
from brushwork.inputs.image_input import ImageInputs
from brushwork.inputs.open_files import rewindable

# A file that was read. Only an artifact is stored already.
Read = Artifact | GivenArchive | bytes


class FileInputs:
    """Checks and stores the files that callers give.

    Args:
        store: The artifact store.
        allow_addresses: Whether pictures may be given as http(s) URLs.
        max_dataset_bytes: Most bytes of one archive.
    """

    def __init__(
        self, store: ArtifactStore, *, max_dataset_bytes: int, allow_addresses: bool = False
    ) -> None:
        self._pictures = ImageInputs(store, allow_addresses=allow_addresses)
        self._datasets = DatasetInputs(store, max_dataset_bytes)

    def read(self, given: object, field: str) -> Read:
        """Read and check the file that a caller gives for `field`. Nothing is stored.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: The file can't be read, or breaks a limit.
        """
        if file_fields()[field] == ARCHIVE:
            return self._datasets.read(given, field)
        return self._pictures.read(given, field)

    def keep(self, read: Read) -> Artifact:
        """Store what `read` returned, if it is not stored yet.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        if isinstance(read, GivenArchive):
            return self._datasets.keep(read)
        return self._pictures.keep(read)

    def stored(self, given: object) -> Artifact:
        """Read and store a file that belongs to no request yet. Its content tells archives from pictures.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: The file can't be read, or breaks a limit.
            ServiceUnreachable: The store does not answer.
        """
        with rewindable(given) as file:
            read = self.read(file, "dataset" if is_archive(file) else "image")
            try:
                return self.keep(read)
            finally:
                if isinstance(read, GivenArchive):
                    read.close()
