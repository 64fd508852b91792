"""Messages between a process and its decoders: JSON behind its length, and open files beside it."""

import json
import os
import socket
import struct
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

_LENGTH = struct.Struct(">I")
_MOST_FILES = 4
_PIECE = 2**16


def send(connection: socket.socket, message: Mapping[str, Any], files: Sequence[int] = ()) -> None:
    """Send a message.

    Args:
        connection: One end of a pair of stream sockets.
        message: What JSON can hold.
        files: Descriptors of open files; the other process gets copies.

    Raises:
        OSError: The other process has ended.
    """
    content = json.dumps(message).encode()
    data = _LENGTH.pack(len(content)) + content
    sent = socket.send_fds(connection, [data], list(files)) if files else 0
    connection.sendall(data[sent:])


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Receive a message and the descriptors of its files; None if the other process has ended.

    Raises:
        TimeoutError: The connection has a timeout, which has passed.
    """
    data, files = b"", []
    while len(data) < _LENGTH.size or len(data) < _LENGTH.size + _LENGTH.unpack_from(data)[0]:
        missing = _LENGTH.size - len(data)
        if missing <= 0:
            missing = _LENGTH.size + _LENGTH.unpack_from(data)[0] - len(data)
        try:
            piece, found, _, _ = socket.recv_fds(connection, min(missing, _PIECE), _MOST_FILES)
        except ConnectionError:
            return None
        if not piece:
            return None
        data += piece
        files += found
    message: dict[str, Any] = json.loads(data[_LENGTH.size :])
    return message, files


def memory_file() -> int:
    """Open an empty file in memory, or in the temporary folder where the system has no such files."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("brushwork")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write all of `data` to an open file."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def content(file: int) -> bytes:
    """Return all that is in an open file, which can seek."""
    size, found = os.fstat(file).st_size, b""
    # One call returns all, unless there are more than 2 GB.
    while piece := os.pread(file, size - len(found), len(found)):
        found = found + piece if found else piece
    return found
