"""Read files that a caller has opened. They stay open: whoever has opened a file closes it."""

import inspect
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeGuard, cast

from brushwork_schemas.wording.phrase import said


def is_open_file(given: object) -> TypeGuard[BinaryIO]:
    """Return whether `given` can be read like an open file."""
    return callable(getattr(given, "read", None))


def file_bytes(file: BinaryIO, most_bytes: int) -> bytes:
    """Return the content of an open file, from its beginning if it can be wound back.

    Args:
        file: The file; of one in text mode, the bytes are read.
        most_bytes: Number of bytes after which to stop.

    Raises:
        ValueError, OSError: The file can't be read; the message says why.
    """
    binary, left = _rewound(_binary(file)), most_bytes
    pieces = []
    # Pipes and sockets return what they have.
    while left and (piece := binary.read(left)):
        if not isinstance(piece, bytes):
            raise ValueError(said("its `read` returned a {type}, not bytes", type=type(piece).__name__))
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def seekable(file: BinaryIO) -> tuple[BinaryIO, bool]:
    """Return the file or a temporary copy of it in which one can seek, and whether it is a copy.

    Raises:
        ValueError, OSError: The file can't be read; the message says why.
    """
    binary = _binary(file)
    if _can_seek(binary):
        return binary, False
    copy = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    try:
        shutil.copyfileobj(binary, copy)
    except BaseException:
        copy.close()
        raise
    return copy, True


@contextmanager
def rewindable(given: object) -> Iterator[object]:
    """Yield `given`; in place of an open file in which one can't seek, a temporary copy.

    A file that can't be read is yielded as it is. Whoever reads it raises the error.
    """
    copy = None
    if is_open_file(given):
        with suppress(OSError, ValueError):
            file, is_copy = seekable(given)
            copy = file if is_copy else None
    try:
        yield given if copy is None else copy
    finally:
        if copy is not None:
            copy.close()


def _binary(file: Any) -> BinaryIO:
    if inspect.iscoroutinefunction(file.read):
        raise ValueError("its `read` must be awaited; give the file below it, or its bytes")
    if isinstance(file, io.TextIOBase):
        binary = getattr(file, "buffer", None)
        if binary is None:
            raise ValueError("it is open in text mode; open it with mode 'rb'")
        file = binary
    return cast("BinaryIO", file)


def _rewound(binary: BinaryIO) -> BinaryIO:
    if _can_seek(binary):
        binary.seek(0)
    return binary


def _can_seek(binary: BinaryIO) -> bool:
    can_seek = getattr(binary, "seekable", None)
    return bool(can_seek()) if callable(can_seek) else callable(getattr(binary, "seek", None))
