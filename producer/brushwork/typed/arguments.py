"""Types of arguments that all clients take: files, kinds without types, and callbacks."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NewType, Protocol, TypeAlias

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState

if TYPE_CHECKING:
    from PIL.Image import Image

# A kind that type checkers do not know, such as one of a plug-in: `submit(UntypedKind("depth-map"), ...)`.
# Its parameters and its result are not checked before the call. It is a plain string at runtime.
UntypedKind = NewType("UntypedKind", str)

OnProgress: TypeAlias = Callable[[JobState, Progress], None]
OnPreview: TypeAlias = Callable[[Preview], None]
StateName: TypeAlias = Literal["queued", "running", "succeeded", "failed", "canceled", "expired"]


class UntypedResult:
    """Stands for the result of a job whose kind is not known. There are no instances."""


class BinaryFile(Protocol):
    """A file that is open for reading in binary mode."""

    def read(self, size: int = ..., /) -> bytes:
        """Return the next `size` bytes, or all that are left."""
        ...


class PixelArray(Protocol):
    """A NumPy array of pixels: 8 or 16 bits of height x width, or 8 bits of height x width x channels."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Type, shape and memory of the array."""
        ...


# An archive of pictures, or a folder that is packed before it is sent.
DatasetFile: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryFile | Artifact
# A path or an http(s) address, the bytes of a file, an open file, an artifact, or pixels in memory.
PictureFile: TypeAlias = "DatasetFile | Image | PixelArray"
