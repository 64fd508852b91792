"""A file system that is full or read-only on demand."""

import os
import subprocess
from pathlib import Path
from typing import Self

import pytest

SIZE_BYTES = 1 << 20
BALLAST = "ballast"


class SmallDisk:
    """A tmpfs of its own from `with` to its end; where nobody may mount one, the test is skipped.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        options = f"size={SIZE_BYTES},mode=700"
        if os.geteuid() or not _ran("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)):
            pytest.skip("only root may mount a small file system")
        return self

    def __exit__(self, *error: object) -> None:
        # Lazily: a worker that dies a moment later may still have a file of it open.
        assert _ran("umount", "--lazy", str(self.folder))

    def fill(self) -> None:
        """Not a byte more goes in."""
        with (self.folder / BALLAST).open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, self._free_bytes())
        assert self._free_bytes() == 0

    def empty(self) -> None:
        """There is room again."""
        (self.folder / BALLAST).unlink()

    def close(self) -> None:
        """Nothing can be written."""
        assert _ran("mount", "-o", "remount,ro", str(self.folder))

    def reopen(self) -> None:
        """Everything can."""
        assert _ran("mount", "-o", "remount,rw", str(self.folder))

    def _free_bytes(self) -> int:
        seen = os.statvfs(self.folder)
        return seen.f_bavail * seen.f_frsize


def _ran(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
