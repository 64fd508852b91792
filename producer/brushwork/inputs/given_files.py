"""The files of one call: each is read once and stored once, and memory holds few of them at a time."""

from typing import Self

from brushwork_schemas.artifact import Artifact, describe
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.kinds.registry import mask_fields, media_type_at
from brushwork_schemas.wording.phrase import said

from brushwork.inputs.archive_files import GivenArchive
from brushwork.inputs.file_inputs import FileInputs, Read

# Files that were read and are not stored yet.
MAX_HELD_BYTES = 8 * 2**20
# Of all pictures that one call sends. Decoding them takes a minute at most.
MAX_PIXELS = 500_000_000
# The sizes of a picture are asked for before it is stored.
NO_NAME = "0" * 64


class GivenFiles:
    """Reads and stores the files of one call. Close it after use.

    Args:
        inputs: Reads and stores single files.
    """

    def __init__(self, inputs: FileInputs) -> None:
        self._inputs = inputs
        self._numbers: dict[object, int] = {}
        self._read: list[Read] = []
        self._kept: dict[int, Artifact] = {}
        self._held_bytes = 0
        self._pixels = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._read:
            if isinstance(each, GivenArchive):
                each.close()

    def read(self, given: object, field: str, *, first_frame: bool = False) -> int:
        """Read a file, unless it was read before, and return its number.

        Args:
            given: The file, as a caller gives it.
            field: Place of the file in the request.
            first_frame: Whether the first frame of an animated picture is taken.

        Raises:
            InvalidImage, InvalidDataset, AddressRefused: The file can't be read, or breaks a limit; or all
                pictures together have too many pixels.
            ServiceUnreachable: The store does not answer.
        """
        # The same bytes may be a picture in one field and an archive in another.
        # Likewise, it may be a mask in one field, whose transparent parts count as black.
        sort = (media_type_at(field), field in mask_fields(), first_frame)
        key = (*sort, given if isinstance(given, str | bytes) else id(given))
        if key not in self._numbers:
            self._expect_room(field)
            read = self._inputs.read(given, field, first_frame=first_frame)
            self._numbers[key] = len(self._read)
            self._read.append(read)
            self._count(read)
        return self._numbers[key]

    def kept(self, number: int) -> Artifact:
        """Store a file, unless it is stored, and return its artifact.

        Raises:
            ServiceUnreachable: The store does not answer.
        """
        if number not in self._kept:
            read = self._read[number]
            self._kept[number] = kept = self._inputs.keep(read)
            # An archive is closed with all others; the bytes of a picture are free now.
            if isinstance(read, bytes):
                self._held_bytes -= len(read)
                self._read[number] = kept
        return self._kept[number]

    def size(self, number: int) -> tuple[int, int]:
        """Return width and height of a picture in pixels; zeros for an archive. Nothing is stored.

        Args:
            number: What `read` returned.
        """
        read = self._read[number]
        if isinstance(read, GivenArchive):
            return 0, 0
        found = describe(read, NO_NAME) if isinstance(read, bytes) else read
        return found.width, found.height

    def _expect_room(self, field: str) -> None:
        if self._pixels > MAX_PIXELS:
            raise InvalidImage(
                said(
                    "{field}: the pictures of this call have more than {limit} megapixels together.",
                    field=field,
                    limit=MAX_PIXELS // 1_000_000,
                ),
                field=field,
                hint="Send fewer pictures in one call, or upload them first and name them by their SHA-256.",
            )

    def _count(self, read: Read) -> None:
        if not isinstance(read, bytes):
            return
        found = describe(read, NO_NAME)
        self._pixels += found.width * found.height
        self._held_bytes += len(read)
        if self._held_bytes > MAX_HELD_BYTES:
            for number, each in enumerate(self._read):
                if isinstance(each, bytes):
                    self.kept(number)
