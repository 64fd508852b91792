"""Read and store the files of a request: pictures and archives."""

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_core.media.pictures import Background, Reading
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.kind import ARCHIVE
from brushwork_schemas.kinds.registry import mask_fields, media_type_at

from brushwork.inputs.archive_files import GivenArchive, is_archive
from brushwork.inputs.dataset_input import DatasetInputs
from brushwork.inputs.image_input import ImageInputs
from brushwork.inputs.open_files import rewindable
from brushwork.inputs.time_limit import check_time

# A file that was read. Only an artifact is stored already.
Read = Artifact | GivenArchive | bytes


class FileInputs:
    """Checks and stores the files that callers give.

    Args:
        store: The artifact store.
        allow_addresses: Whether pictures may be given as http(s) URLs.
        max_dataset_bytes: Most bytes of one archive.
        decoder: Decodes the pictures; None for this process.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        max_dataset_bytes: int,
        allow_addresses: bool = False,
        decoder: Decoder | None = None,
    ) -> None:
        self._pictures = ImageInputs(store, allow_addresses=allow_addresses, decoder=decoder)
        self._datasets = DatasetInputs(store, max_dataset_bytes)

    def read(self, given: object, field: str, *, first_frame: bool = False) -> Read:
        """Read and check the file that a caller gives for `field`. Nothing is stored.

        Args:
            given: The file, as a caller gives it.
            field: Place of the file in the request. The transparent parts of a mask count as black.
            first_frame: Whether the first frame of an animated picture is taken.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: The file can't be read, or breaks a limit.
            ServiceUnreachable: The time of the request is over.
        """
        check_time()
        if media_type_at(field) == ARCHIVE:
            return self._datasets.read(given, field)
        background: Background = "black" if field in mask_fields() else "white"
        return self._pictures.read(given, Reading(field, background, first_frame))

    def keep(self, read: Read) -> Artifact:
        """Store what `read` returned, if it is not stored yet.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        if isinstance(read, GivenArchive):
            return self._datasets.keep(read)
        return self._pictures.keep(read)

    def stored(self, given: object, *, first_frame: bool = False) -> Artifact:
        """Read and store a file that belongs to no request yet. Its content tells archives from pictures.

        A picture keeps its transparency, because it may become a mask.

        Args:
            given: The file, as a caller gives it.
            first_frame: Whether the first frame of an animated picture is taken.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: The file can't be read, or breaks a limit.
            ServiceUnreachable: The store does not answer.
        """
        reading = Reading("image", None, first_frame)
        with rewindable(given) as file:
            read = self._datasets.read(file) if is_archive(file) else self._pictures.read(file, reading)
            try:
                return self.keep(read)
            finally:
                if isinstance(read, GivenArchive):
                    read.close()
