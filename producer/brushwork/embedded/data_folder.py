"""The data folder of an embedded stack, and the file with its addresses."""

import fcntl
import json
import logging
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brushwork_core.settings.environment import ENV_FILE
from brushwork_core.timing.backoff import Backoff, retried
from brushwork_schemas.errors import BrushworkError, InvalidRequest
from brushwork_schemas.wording.phrase import said

LOGGER = logging.getLogger(__name__)
# Permissions of the group and of others.
OF_OTHERS = 0o077
LOCK_WAIT_S = 2.0
LOCK_LOOK_S = 0.05
# A shell and a dotenv reader must read every address alike, and SQLAlchemy must read it as a path.
_UNSAFE = re.compile(r"['\"\\$`?#%\n\r]")


class DataFolderInUse(BrushworkError):
    """Another `brushwork up` uses this data folder."""

    code = "data_folder_in_use"
    fault = "caller"


class DataFolder:
    """Paths inside a data folder, and the secrets and ports that it keeps between starts.

    Args:
        path: The folder. It is created if it does not exist, readable only by its owner.

    Raises:
        InvalidRequest: The path contains a character that is not allowed in an address.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        if _UNSAFE.search(str(self.path)):
            raise InvalidRequest(
                said(
                    "data: the path {path} contains a character that is not allowed in an address.",
                    path=self.path,
                ),
                field="data",
                hint="Use a path without quotes, backquotes, $, ?, #, %, backslashes and line breaks.",
            )
        self.redis = self.path / "redis"
        self.logs = self.path / "logs"
        self.artifacts = self.path / "artifacts"
        self.ledger = self.path / "ledger.sqlite3"
        self.env_file = self.path / ENV_FILE

    def create(self) -> None:
        """Create the folder and its subfolders, for their owner alone; close those that others can read.

        Raises:
            InvalidRequest: The folder cannot be created.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self.path.stat().st_mode & OF_OTHERS:
                LOGGER.warning(
                    "Other users could read the data folder %s. It is closed to them now.", self.path
                )
            for folder in (self.redis, self.logs, self.artifacts):
                folder.mkdir(mode=0o700, exist_ok=True)
            for place in (self.path, *self.path.iterdir(), *self.redis.iterdir(), *self.logs.iterdir()):
                _close_to_others(place)
        except OSError as error:
            raise InvalidRequest(
                said("data: the folder cannot be created: {error}.", error=error),
                field="data",
                hint="Choose another folder with --data.",
            ) from error

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Lock the folder; yield the lock file, which children inherit to hold the lock too.

        Raises:
            DataFolderInUse: Another process holds the lock.
        """
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(lock)
            yield lock
        finally:
            os.close(lock)

    def secret(self, name: str) -> str:
        """Return a random secret. It is made at the first call and kept."""
        file = self.path / f"{name}.secret"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text("ascii")

    def port(self, name: str) -> int:
        """Return a free port of loopback; the port of the last start if it is still free."""
        file = self.path / "ports.json"
        ports = _ports(file)
        if not is_free(ports.get(name, 0), taken=[port for other, port in ports.items() if other != name]):
            ports[name] = free_port(taken=list(ports.values()))
            write_private(file, json.dumps(ports))
        return ports[name]

    def announce(self, addresses: dict[str, str]) -> None:
        """Write `brushwork.env` with the addresses: the stack is ready."""
        lines = [f"export {name}='{value}'\n" for name, value in addresses.items()]
        write_private(self.env_file, "".join(lines))

    def retract(self) -> None:
        """Remove `brushwork.env`: another program may soon use its ports."""
        self.env_file.unlink(missing_ok=True)

    def _acquire(self, lock: int) -> None:
        # The children of a killed `brushwork up` need a moment to end.
        try:
            retried(
                lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB),
                is_temporary=lambda error: isinstance(error, BlockingIOError),
                backoff=Backoff(LOCK_LOOK_S, LOCK_LOOK_S),
                timeout_s=LOCK_WAIT_S,
            )
        except BlockingIOError:
            raise DataFolderInUse(
                said("Another `brushwork up` uses the data folder {path}.", path=self.path),
                field="data",
                hint="Use the running one, stop it, or choose another folder with --data.",
            ) from None


def _close_to_others(place: Path) -> None:
    """Take the permissions of other users. A link may lead out of the folder, and stays as it is."""
    if not place.is_symlink() and (mode := place.stat().st_mode) & OF_OTHERS:
        place.chmod(stat.S_IMODE(mode) & ~OF_OTHERS)


def _ports(file: Path) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        # The file is missing or damaged. New ports are chosen.
        return {}
    return ports


def write_private(file: Path, text: str) -> None:
    """Write a file atomically, readable only by its owner."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(file)


def is_free(port: int, taken: list[int]) -> bool:
    """Return whether a program can listen on this port of loopback."""
    if not port or port in taken:
        return False
    with socket.socket() as probe:
        # As servers do: a port with connections in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: list[int]) -> int:
    """Return a free port of loopback that is not in `taken`."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
