"""Names of files: the SHA-256 of their bytes, as 64 hexadecimal digits."""

import hashlib
from pathlib import Path
from typing import BinaryIO


def sha256_of(data: bytes) -> str:
    """Return the name of a file with these bytes."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_stream(file: BinaryIO) -> str:
    """Return the name of an open binary file. It is read from its current position to its end."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def sha256_of_file(path: Path) -> str:
    """Return the name of the file at `path`, which may be larger than memory."""
    with path.open("rb") as file:
        return sha256_of_stream(file)
