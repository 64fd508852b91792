"""The folder that holds all of an embedded stack, and the file that tells others where it listens."""

import fcntl
import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brushwork_core.settings.environment import ENV_FILE
from brushwork_core.timing.backoff import Backoff, retried
from brushwork_schemas.errors import BrushworkError, InvalidRequest

LOCK_WAIT_S = 2.0
LOCK_LOOK_S = 0.05
# A shell and a dotenv reader must agree on every address, and SQLAlchemy must read it as a path.
_AWKWARD = re.compile(r"['\"\\$`?#%\n\r]")


class DataFolderInUse(BrushworkError):
    """Another `brushwork up` runs on this data folder."""

    code = "data_folder_in_use"
    fault = "caller"


class DataFolder:
    """Paths inside one data folder, and the little that is kept from one start to the next.

    Args:
        path: The folder; it is created if need be, readable by its owner alone.

    Raises:
        InvalidRequest: Its path can't be written into an address.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        if _AWKWARD.search(str(self.path)):
            raise InvalidRequest(
                f"The data folder {self.path} has a character in its path that addresses can't hold.",
                field="data",
                hint="Use a path without quotes, $, ?, #, % and backslashes.",
            )
        self.redis = self.path / "redis"
        self.logs = self.path / "logs"
        self.artifacts = self.path / "artifacts"
        self.ledger = self.path / "ledger.sqlite3"
        self.env_file = self.path / ENV_FILE

    def create(self) -> None:
        """Make the folder and those within it.

        Raises:
            InvalidRequest: Files can't be made there.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.redis, self.logs, self.artifacts):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InvalidRequest(
                f"The data folder can't be made: {error}.", field="data", hint="Choose another with --data."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the folder; yields the open lock file, which children may keep open to hold it too.

        Raises:
            DataFolderInUse: Somebody else holds it.
        """
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._acquire(lock)
            yield lock
        finally:
            os.close(lock)

    def secret(self, name: str) -> str:
        """A random secret, made at first and the same ever after."""
        file = self.path / f"{name}.secret"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file.read_text("ascii")

    def port(self, name: str) -> int:
        """A free port on loopback: the one of the last start if it still is, so that addresses last."""
        file = self.path / "ports.json"
        ports = _ports(file)
        if not is_free(ports.get(name, 0), taken=[port for other, port in ports.items() if other != name]):
            ports[name] = free_port(taken=list(ports.values()))
            write_private(file, json.dumps(ports))
        return ports[name]

    def announce(self, addresses: dict[str, str]) -> None:
        """Write `brushwork.env`: the stack is ready, and this is where it listens."""
        lines = [f"export {name}='{value}'\n" for name, value in addresses.items()]
        write_private(self.env_file, "".join(lines))

    def retract(self) -> None:
        """Remove `brushwork.env`: its port may soon be another program's."""
        self.env_file.unlink(missing_ok=True)

    def _acquire(self, lock: int) -> None:
        # The children of a killed `up` need a moment to die.
        try:
            retried(
                lambda: fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB),
                is_temporary=lambda error: isinstance(error, BlockingIOError),
                backoff=Backoff(LOCK_LOOK_S, LOCK_LOOK_S),
                timeout_s=LOCK_WAIT_S,
            )
        except BlockingIOError:
            raise DataFolderInUse(
                f"Another `brushwork up` runs on {self.path}.",
                field="data",
                hint="Use that one, stop it, or choose another folder with --data.",
            ) from None


def _ports(file: Path) -> dict[str, int]:
    try:
        ports: dict[str, int] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        # At the first start, or damaged: then new ones do.
        return {}
    return ports


def write_private(file: Path, text: str) -> None:
    """Write a file in one step, readable by its owner alone."""
    draft = file.with_name(f".{file.name}.draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(file)


def is_free(port: int, taken: list[int]) -> bool:
    """Whether a program may listen on this port of loopback."""
    if not port or port in taken:
        return False
    with socket.socket() as probe:
        # As servers do: a port whose last connections are merely fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(taken: list[int]) -> int:
    """A port of loopback that nobody listens on, other than those in `taken`."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port
