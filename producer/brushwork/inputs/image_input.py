"""Turn the picture that a caller gives into an artifact of the store."""

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.cleaning import clean, store_cleaned
from brushwork_core.media.decoders.decoder import Decoder, in_process
from brushwork_core.media.pictures import Reading
from brushwork_schemas.artifact import Artifact, describe, is_sha256
from brushwork_schemas.errors import ArtifactMissing
from PIL import UnidentifiedImageError

from brushwork.inputs.picture_files import invalid_image, is_url, picture_bytes
from brushwork.inputs.time_limit import left_s

ANY_PICTURE = Reading()


class ImageInputs:
    """Checks and stores the pictures that callers give.

    Args:
        store: The artifact store.
        allow_addresses: Whether http(s) URLs are fetched.
        decoder: Decodes the pictures; None for this process.
    """

    def __init__(
        self, store: ArtifactStore, *, allow_addresses: bool = False, decoder: Decoder | None = None
    ) -> None:
        self._decoder = decoder or in_process()
        self._store = store
        self._allow_addresses = allow_addresses

    def read(self, given: object, reading: Reading = ANY_PICTURE) -> Artifact | bytes:
        """Read and check a picture, or find the stored one. Nothing is stored.

        Args:
            given: Anything that `picture_bytes` takes, an artifact or its name, or an http(s) URL.
            reading: Field, background and frame.

        Raises:
            InvalidImage: `given` is none of these, can't be read, or breaks a limit.
            AddressRefused: It is a URL, and fetching is off or not allowed for this one.
        """
        if isinstance(given, Artifact):
            return self._known(given.sha256, reading.field)
        if isinstance(given, str) and is_sha256(given):
            return self._known(given, reading.field)
        return clean(self._decoder, self._fetched(given, reading), reading)

    def keep(self, picture: Artifact | bytes) -> Artifact:
        """Store what `read` returned, if it is not stored yet.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        return picture if isinstance(picture, Artifact) else store_cleaned(self._store, picture)

    def _known(self, sha256: str, field: str) -> Artifact:
        try:
            return describe(self._store.get(sha256), sha256)
        except ArtifactMissing:
            raise invalid_image(field, f"artifact {sha256} is not in this store") from None
        except UnidentifiedImageError:
            raise invalid_image(field, f"artifact {sha256} is not a picture") from None

    def _fetched(self, given: object, reading: Reading) -> bytes:
        if not isinstance(given, str) or not is_url(given):
            return picture_bytes(given, reading.field, first_frame=reading.first_frame)
        # Imported here because it loads httpx, which few callers of this module need.
        from brushwork.inputs.address import TOTAL_S, fetch

        left = left_s()
        total_s = TOTAL_S if left is None else min(TOTAL_S, max(0.1, left))
        return fetch(given, allowed=self._allow_addresses, field=reading.field, total_s=total_s)
