"""A gateway process to attack, with keys of two tenants, and with its memory and CPU time watched."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from tests.gateways import GatewayServer, key, settings_at

LOOK_S = 0.02
DECODERS = "brushwork_core.media.decoders"
INNOCENT, ATTACKER = "innocent", "attacker"


class Attacked(GatewayServer):
    """`brushwork gateway` of an interpreter, which may be that of an older version.

    Args:
        settings: Whose database and store it has.
        folder: For its log.
        python: The interpreter.
        max_files: Most files that it may open; None for the limit of this process.
        environment: More of its settings.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        python: str = sys.executable,
        max_files: int | None = None,
        **environment: str,
    ) -> None:
        super().__init__(settings, folder / "gateway.log", **environment)
        self.settings = settings
        self._python = python
        self._max_files = max_files
        self._migrate()
        self.keys = {name: self._new_key(name) for name in (INNOCENT, ATTACKER)}

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where a socket connects to."""
        return "127.0.0.1", self.port

    def command(self) -> list[str]:
        *before, gateway = super().command()
        limit = "" if self._max_files is None else f"ulimit -n {self._max_files}; "
        return [*before, limit + gateway.replace(sys.executable, self._python)]

    def _new_key(self, tenant: str) -> str:
        if self._python == sys.executable:
            return key(self.settings, tenant)
        # An older version has tables of its own.
        return self._printed_by("keys", "create", tenant, "--tenant", tenant)

    def _migrate(self) -> None:
        if self._python != sys.executable:
            self._printed_by("migrate")
            return
        database = Database(self.settings.database_url.get_secret_value())
        database.migrate()
        database.close()

    def argv(self, *words: str) -> list[str]:
        """A command of brushwork with the settings of the gateway."""
        said = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", *said, self._python, "-m", "brushwork", *words]

    def _printed_by(self, *words: str) -> str:
        argv = self.argv(*words)
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout.strip()


class Usage:
    """The memory and the CPU time of a process and its children, inside a `with` block.

    Args:
        pid: The process.
        with_decoders: Whether the memory of the processes that decode pictures counts. It has limits of its
            own, and is free again after each picture.
    """

    def __init__(self, pid: int, *, with_decoders: bool = True) -> None:
        self._root = psutil.Process(pid)
        self._with_decoders = with_decoders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._before_bytes = self._most_bytes = self._bytes()
        self._before_cpu_s = self._cpu_s()

    @property
    def grown_bytes(self) -> int:
        """By how much the memory has grown at most."""
        return self._most_bytes - self._before_bytes

    @property
    def cpu_s(self) -> float:
        """CPU time since the begin of the block, of the processes that still run."""
        return self._cpu_s() - self._before_cpu_s

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._most_bytes = max(self._most_bytes, self._bytes())

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []

    def _bytes(self) -> int:
        found = 0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                if self._counts(process):
                    found += process.memory_info().rss
        return found

    def _counts(self, process: psutil.Process) -> bool:
        """Whether the memory of a process is its own, and belongs to those that are watched."""
        command = process.cmdline()
        if not self._with_decoders and DECODERS in " ".join(command):
            return False
        # A child that has not begun its own program yet still shows all memory of its parent as its own.
        parent = None if process == self._root else process.parent()
        return parent is None or parent.cmdline() != command

    def _cpu_s(self) -> float:
        found = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                found += times.user + times.system
        return found


@contextmanager
def attacked(
    folder: Path,
    *,
    python: str = sys.executable,
    max_files: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Attacked]:
    """A gateway that answers, from here to the end.

    Args:
        folder: For its database, files and log.
        python: The interpreter whose brushwork it runs.
        max_files: Most files that it may open.
        environment: More of its settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_at(f"sqlite:///{folder}/ledger.sqlite3", folder)
    gateway = Attacked(settings, folder, python, max_files, **(environment or {}))
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
