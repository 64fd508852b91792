"""Finished files that the artifact store does not take at the moment: in memory, then on the local disk."""

import logging
import tempfile
import threading
from pathlib import Path
from typing import IO

from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.wording.phrase import said

LOGGER = logging.getLogger(__name__)


class HeldFile:
    """One held file. Close it to make room.

    Args:
        held: Where it is counted.
        data: Its bytes, if it is in memory.
        file: The open file, if it is on disk.
        size_bytes: Its size.
    """

    def __init__(
        self, held: "HeldFiles", data: bytes | None, file: IO[bytes] | None, size_bytes: int
    ) -> None:
        self._held = held
        self._data = data
        self._file = file
        self.size_bytes = size_bytes
        self.is_on_disk = file is not None

    def read(self) -> bytes:
        """Return its bytes."""
        if self._file is None:
            return self._data or b""
        self._file.seek(0)
        return self._file.read()

    def close(self) -> None:
        """Forget it."""
        self._data = None
        if self._file is not None:
            # Its name is gone already: the file goes with this descriptor, or with the process.
            self._file.close()
        self._held.closed(self)


class HeldFiles:
    """The held files of a process. Safe to use from any thread.

    Args:
        memory_bytes: Most bytes in memory.
        disk_bytes: Most bytes on disk, besides.
        folder: Where files on disk are. They have no names, so that they go with the process.
    """

    def __init__(self, memory_bytes: int, disk_bytes: int, folder: Path) -> None:
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._folder = folder
        self._changing = threading.Lock()
        self._files: set[HeldFile] = set()

    @property
    def num_files(self) -> int:
        """How many files are held."""
        return len(self._files)

    @property
    def largest_bytes(self) -> int:
        """The size of the largest held file; 0 without any."""
        with self._changing:
            return max((file.size_bytes for file in self._files), default=0)

    def taken_bytes(self, *, on_disk: bool) -> int:
        """The bytes that are held in memory, or on disk."""
        with self._changing:
            return self._taken_bytes(on_disk)

    def add(self, data: bytes) -> HeldFile:
        """Keep a file.

        Raises:
            ServiceUnreachable: The limits are reached, or the disk takes no file.
        """
        size = len(data)
        with self._changing:
            if self._taken_bytes(on_disk=False) + size <= self._memory_bytes:
                return self._added(HeldFile(self, data, None, size))
            if self._taken_bytes(on_disk=True) + size > self._disk_bytes:
                raise _no_room()
            # Written with the lock held: what others hold meanwhile would not be counted.
            return self._added(HeldFile(self, None, self._written(data), size))

    def closed(self, file: HeldFile) -> None:
        """Note that a file is no longer held."""
        with self._changing:
            self._files.discard(file)

    def _taken_bytes(self, on_disk: bool) -> int:
        return sum(file.size_bytes for file in self._files if file.is_on_disk == on_disk)

    def _added(self, file: HeldFile) -> HeldFile:
        self._files.add(file)
        return file

    def _written(self, data: bytes) -> IO[bytes]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - open as long as it is held
            file.write(data)
            file.flush()
            return file
        except OSError as error:
            LOGGER.warning("The folder %s takes no finished file: %s", self._folder, error)
            raise _no_room() from error


def _no_room() -> ServiceUnreachable:
    return ServiceUnreachable(
        said("The artifact store does not answer, and this worker holds all finished files that it may."),
        field="artifacts_url",
        hint="Repair the store, or set BRUSHWORK_HELD_MEMORY_GB and BRUSHWORK_HELD_DISK_GB higher.",
    )
