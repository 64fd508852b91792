"""Names of files: the SHA-256 of their bytes, as 64 hexadecimal digits."""

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"[0-9a-f]{64}")


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


def is_sha256(name: str) -> bool:
    """Return whether `name` has the form of a file's name."""
    return _NAME.fullmatch(name) is not None
