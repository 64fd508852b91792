"""The files that a request names, each read and stored as its sort is: pictures, and archives of them."""

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import file_fields

from brushwork.inputs.dataset_input import DatasetInputs, GivenArchive, is_archive
from brushwork.inputs.image_input import ImageInputs

# What was read and is not stored yet; an artifact is there already.
Read = Artifact | GivenArchive | bytes


class FileInputs:
    """Stores the files that callers give.

    Args:
        store: Where they go.
        allow_addresses: Whether pictures may be given by http(s) address.
        max_dataset_bytes: Most bytes of an archive.
    """

    def __init__(
        self, store: ArtifactStore, *, max_dataset_bytes: int, allow_addresses: bool = False
    ) -> None:
        self._pictures = ImageInputs(store, allow_addresses=allow_addresses)
        self._datasets = DatasetInputs(store, max_dataset_bytes)

    def read(self, given: object, field: str) -> Read:
        """What `keep` needs of what was given for that field; nothing is stored yet.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: It can't be read, or breaks a limit.
        """
        if file_fields()[field] == ARCHIVE:
            return self._datasets.read(given, field)
        return self._pictures.read(given, field)

    def keep(self, read: Read) -> Artifact:
        """The artifact for what `read` returned.

        Raises:
            ServiceUnreachable: The store does not take it.
        """
        if isinstance(read, GivenArchive):
            return self._datasets.keep(read)
        return self._pictures.keep(read)

    def stored(self, given: object) -> Artifact:
        """The artifact for a file that no request names yet: an archive or a picture, as it turns out.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused, ServiceUnreachable: As `read` and `keep`.
        """
        read = self.read(given, "dataset" if is_archive(given) else "image")
        try:
            return self.keep(read)
        finally:
            if isinstance(read, GivenArchive):
                read.close()
