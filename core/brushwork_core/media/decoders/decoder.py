"""What decodes pictures: in this process, or in others."""

from functools import cache
from typing import Protocol

from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.picture_report import reported
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.credentials.kept import kept_credentials
from brushwork_core.provenance.reading.file_reading import FileReading


class Decoder(Protocol):
    """Decodes untrusted pictures. All methods may be called by several threads at the same time.

    `on_behalf_of` says whose pictures they are.

    All raise `InvalidImage` if the picture cannot be read, or exceeds a limit; and `ServiceUnreachable` if no
    process can be started.
    """

    def __hash__(self) -> int:
        """Return a hash: results of a decoder are cached."""
        ...

    def cleaned(self, data: bytes, reading: Reading) -> bytes:
        """Return the file to store for a picture, as `pictures.cleaned` does.

        Args:
            data: A complete file of a picture.
            reading: How it is read.
        """
        ...

    def credentials(self, data: bytes) -> bytes | None:
        """Validate the credentials of a picture by its original bytes.

        Args:
            data: A complete file of a picture.

        Returns:
            The content of the file that keeps them; None if there are none, or none that can be kept.
        """
        ...

    def decoded(self, data: bytes, reading: Reading) -> Image.Image:
        """Return the pixels of a picture, as `pictures.decode` does.

        Args:
            data: As for `cleaned`.
            reading: As for `cleaned`.
        """
        ...

    def thumbnail(self, data: bytes, side: int) -> bytes:
        """Return a stored picture as a WebP, at most `side` pixels wide and high.

        Args:
            data: A PNG, JPEG or WebP.
            side: In pixels.
        """
        ...

    def report(self, data: bytes, field: str) -> FileReading:
        """Return what a picture says about its origin, as `picture_report.reported` does.

        Args:
            data: A complete file of a picture.
            field: Field of the request, for error messages.
        """
        ...

    def check_dataset(self, data: bytes) -> None:
        """Check everything of an archive but the pictures, as `Dataset` does.

        Args:
            data: The archive.

        Raises:
            InvalidDataset: The archive cannot be read, exceeds a limit, or has another layout of folders.
        """
        ...


class InProcess:
    """Decodes in this process: for callers that decode their own pictures.

    Args:
        trusted: Certificates of authorities that are trusted to issue those of credentials, as PEM.
    """

    def __init__(self, trusted: str = "") -> None:
        self._trusted = trusted

    def cleaned(self, data: bytes, reading: Reading) -> bytes:
        """Return the file to store for a picture."""
        return pictures.read(data, reading).file

    def credentials(self, data: bytes) -> bytes | None:
        """Validate the credentials of a picture."""
        found = kept_credentials(data, self._trusted)
        return None if found is None else found.content()

    def decoded(self, data: bytes, reading: Reading) -> Image.Image:
        """Return the pixels of a picture."""
        return pictures.read(data, reading).picture

    def thumbnail(self, data: bytes, side: int) -> bytes:
        """Return a stored picture as a small WebP."""
        return pictures.encode_thumbnail(data, side)

    def report(self, data: bytes, field: str) -> FileReading:
        """Return what a picture says about its origin."""
        return reported(data, Reading(field, max_bytes=pictures.MAX_STORED_BYTES), self._trusted)

    def check_dataset(self, data: bytes) -> None:
        """Do nothing: `Dataset` itself checks the archive."""


@cache
def in_process(trusted: str = "") -> Decoder:
    """Return the decoder that uses no other process.

    Args:
        trusted: As for `InProcess`.
    """
    return InProcess(trusted)
