"""Private servers for the tests: Redis with a password and PostgreSQL, each on its own, gone at the end."""

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, Self

import psycopg
import redis
from brushwork.embedded.child import LEASH
from brushwork.embedded.redis_program import choose, installed
from brushwork_core.database.tables import METADATA

START_S = 30.0
FEW_ROWS_BYTES = 2**20
# PostgreSQL refuses to run as root; this user is on every Unix.
UNPRIVILEGED = "nobody"


def wait_until(
    condition: Callable[[], object], *, bound_s: float = 30.0, what: str = "it", look_s: float = 0.005
) -> None:
    """Return as soon as `condition` holds, looked at every `look_s`; fail after `bound_s`."""
    deadline = time.monotonic() + bound_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {bound_s} s")
        time.sleep(look_s)


def free_port() -> int:
    """A TCP port that nobody listens on: higher than the well-known ones, lower than those of connections.

    Processes of pytest-xdist take theirs from separate sets, so that none is taken before its server listens.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _ports() -> Iterator[int]:
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    own = list(range(20_000 + process, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
    # Another run of the tests on this machine begins elsewhere.
    random.shuffle(own)
    return cycle(own)


_PORTS = _ports()


@cache
def redis_program() -> Path:
    """The Redis server that `brushwork up` would choose on this machine."""
    return choose(installed()).program.path


class Server:
    """A process that listens, from `start` to `stop`."""

    process: "subprocess.Popen[bytes] | None" = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> Self:
        # On a leash: a run of the tests that is killed leaves no server behind.
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL))]
        self.process = subprocess.Popen(
            [*leash, *self.command()],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_until(self.answers, bound_s=START_S, what=f"the start of {type(self).__name__}")
        return self

    def stop(self) -> None:
        self.halt()

    def halt(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the process by this signal; what it has on the disk stays, for another `start`."""
        if self.process is None:
            return
        # A frozen process would not see the request to end.
        self.signal(signal.SIGCONT)
        self.signal(number)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)


class RedisServer(Server):
    """The server that `brushwork up` would choose on this machine, in memory only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.password = secrets.token_hex(16)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        config = self._folder / f"redis-{self.port}.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {self.port}\nrequirepass {self.password}\ndir {self._folder}\n"
            'save ""\nappendonly no\n'
        )
        config.chmod(0o600)
        return [str(redis_program()), str(config)]

    def answers(self) -> bool:
        try:
            with self.connect() as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False

    def connect(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, socket_timeout=5)


class PostgresServer(Server):
    """A PostgreSQL cluster of its own, on a Unix socket that only its owner can reach."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Stays open for `empty`, which is called before every test.
        self._cleaner: psycopg.Connection[Any] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="brushwork-postgres-"))
        if os.geteuid() == 0:
            shutil.chown(self._folder, UNPRIVILEGED)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://tester@/{database}?host={self._folder}"

    def command(self) -> list[str]:
        data = self._folder / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = {
            "synchronous_commit": "off",
            "listen_addresses": "",
            "unix_socket_directories": str(self._folder),
            "fsync": "off",
            "shared_buffers": "32MB",
            "max_connections": "200",
            "autovacuum": "off",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return [*self._prefix(), str(self._programs / "postgres"), "-D", str(data), *settings]

    def answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str, database: str = "postgres") -> None:
        with self._connect(database) as connection:
            connection.execute(statement)

    def _connect(self, database: str) -> "psycopg.Connection[Any]":
        address = f"dbname={database} user=tester host={self._folder}"
        return psycopg.connect(address, autocommit=True, connect_timeout=5)

    def disconnect(self, database: str) -> None:
        """End all connections to a database."""
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"  # noqa: S608
        )

    def empty(self, database: str) -> None:
        """Close all connections to a migrated database and delete its rows: quicker than a new one."""
        if self._cleaner is None or self._cleaner.closed:
            self._cleaner = self._connect(database)
            # Without triggers: those of the audit log keep its rows.
            self._cleaner.execute("SET session_replication_role = replica")
        cleaner, tables = self._cleaner, [table.name for table in reversed(METADATA.sorted_tables)]
        cleaner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND pid != pg_backend_pid()",
            [database],
        )
        size = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname = ANY(%s)"
        (num_bytes,) = cleaner.execute(size, [tables]).fetchone() or (0,)
        # To delete few rows takes a tenth of the time that new files for all tables take.
        if num_bytes > FEW_ROWS_BYTES:
            cleaner.execute(f"TRUNCATE {', '.join(tables)}")
        else:
            cleaner.execute("; ".join(f"DELETE FROM {table}" for table in tables))  # noqa: S608

    def stop(self) -> None:
        if self._cleaner is not None:
            self._cleaner.close()
        super().stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        # The checkout may be closed to the unprivileged user, so it does not start there.
        subprocess.run(
            [*self._prefix(), str(self._programs / program), *arguments],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip

    @staticmethod
    def _prefix() -> list[str]:
        if os.geteuid() != 0:
            return []
        # Another user's process loses its leash and gets one anew; QUIT ends PostgreSQL at once.
        user = (f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups", "--pdeathsig=QUIT")
        return ["setpriv", *user, "--"]


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL server here, or None."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return folders[-1] if folders else Path(found).parent if found else None
