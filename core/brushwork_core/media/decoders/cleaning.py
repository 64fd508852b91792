"""Clean the pictures of callers, keep the credentials that they brought along, and store both."""

import logging

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import InvalidImage

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.credentials.kept import MEDIA_TYPE
from brushwork_core.provenance.credentials.library import may_carry

LOGGER = logging.getLogger(__name__)


class CleanedPicture(bytes):
    """The file to store for a picture, with the credentials that the picture had before it was cleaned."""

    credentials: bytes

    def __new__(cls, file: bytes, credentials: bytes) -> "CleanedPicture":
        """Return the file with the content of the file that holds the credentials."""
        made = super().__new__(cls, file)
        made.credentials = credentials
        return made


def clean(decoder: Decoder, data: bytes, reading: Reading) -> bytes:
    """Return the file to store for a picture: a `CleanedPicture` if it had credentials that are kept.

    Args:
        decoder: What decodes here.
        data: The file as a caller handed it in.
        reading: How it is read.

    Raises:
        InvalidImage: The picture cannot be read, or exceeds a limit.
        ServiceUnreachable: No decoder process can be started.
    """
    cleaned = decoder.cleaned(data, reading)
    if not may_carry(data):
        return cleaned
    try:
        credentials = decoder.credentials(data)
    # They are too costly, or have ended the process. The picture itself is fine.
    except InvalidImage as error:
        LOGGER.warning("Credentials of a picture are not kept: %s", error)
        return cleaned
    return cleaned if credentials is None else CleanedPicture(cleaned, credentials)


def store_cleaned(store: ArtifactStore, file: bytes) -> Artifact:
    """Store what `clean` has returned, and return the artifact of the picture.

    Raises:
        ServiceUnreachable: The store does not answer.
    """
    artifact = store.put_picture(file)
    if isinstance(file, CleanedPicture):
        artifact.bind_credentials(store.put_file(file.credentials, MEDIA_TYPE))
    return artifact
