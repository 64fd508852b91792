"""SHA-256 digests of model files. Those of large files are cached until the file changes."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from brushwork_core.files.sha256 import sha256_of_file
from brushwork_core.settings.environment import cache_dir

# Smaller files are read as quickly as a cached digest is looked up.
MIN_REMEMBERED_BYTES = 32 * 1024 * 1024


class Fingerprints:
    """Computes the SHA-256 of files of one folder.

    The digests of large files are cached in `verified`, in the folder that workers write to, with size,
    modification time and inode of each file. A worker need not read again what an earlier one has read.

    Args:
        folder: The folder of the files.
        remembered_bytes: The smallest size of a file whose digest is cached.
    """

    def __init__(self, folder: Path, remembered_bytes: int = MIN_REMEMBERED_BYTES) -> None:
        self._folder = folder
        self._remembered_bytes = remembered_bytes
        folder_hash = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:32]
        self._file = cache_dir() / "verified" / f"{folder_hash}.json"

    def of(self, names: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of files, by name.

        Raises:
            OSError: A file cannot be read.
        """
        remembered = self._read()
        found, state = {}, dict(remembered)
        for name in names:
            status = (self._folder / name).stat()
            current = [status.st_size, status.st_mtime_ns, status.st_ino]
            known = remembered.get(name)
            if isinstance(known, list) and known[:3] == current:
                found[name] = str(known[3])
                continue
            found[name] = sha256_of_file(self._folder / name)
            if status.st_size >= self._remembered_bytes:
                state[name] = [*current, found[name]]
        if state != remembered:
            self._write(state)
        return found

    def _read(self) -> dict[str, object]:
        try:
            content = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _write(self, state: dict[str, object]) -> None:
        # If the folder cannot be written, the files are read again next time.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            written = self._file.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps(state), "utf-8")
            written.replace(self._file)
