"""PgBouncer in transaction mode in front of a private PostgreSQL."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from tests.servers import UNPRIVILEGED, Server, free_port

USER = "tester"
# Fewer than the connections of two workers: transactions of several clients take turns in one session.
SESSIONS = 4


class PgBouncer(Server):
    """A pooler with a password and a port of its own.

    Args:
        server_url: SQLAlchemy address of a database of the server; its socket's folder is in `host`.
        sessions: Connections to the server for each database and user.
        more: Further settings of pgbouncer.ini.
    """

    def __init__(self, server_url: str, *, sessions: int = SESSIONS, **more: str) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self._server_host = str(make_url(server_url).query["host"])
        self._settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "auth_type": "scram-sha-256",
            "pool_mode": "transaction",
            "default_pool_size": str(sessions),
            "max_client_conn": "500",
            "admin_users": USER,
        } | more
        self._folder = Path(tempfile.mkdtemp(prefix="brushwork-pgbouncer-"))

    def url(self, server_url: str) -> str:
        """Return the address of a database of the server, through the pooler."""
        name = make_url(server_url).database
        return f"postgresql+psycopg://{USER}:{self.password}@127.0.0.1:{self.port}/{name}"

    def command(self) -> list[str]:
        users, config = self._folder / "userlist.txt", self._folder / "pgbouncer.ini"
        users.write_text(f'"{USER}" "{self.password}"\n')
        settings = {**self._settings, "auth_file": str(users), "unix_socket_dir": ""}
        lines = [f"{name} = {value}" for name, value in settings.items()]
        config.write_text(
            "\n".join(["[databases]", f"* = host={self._server_host} user={USER}", "[pgbouncer]", *lines])
        )
        prefix: list[str] = []
        if os.geteuid() == 0:
            # It refuses to run as root, and another user's process loses its leash and gets one anew.
            for path in (self._folder, users, config):
                shutil.chown(path, UNPRIVILEGED)
            user = (f"--reuid={UNPRIVILEGED}", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL")
            prefix = ["setpriv", *user, "--"]
        return [*prefix, str(program()), "-q", str(config)]

    def answers(self) -> bool:
        try:
            self.ask("SHOW VERSION")
        except psycopg.OperationalError:
            return False
        return True

    def ask(self, command: str) -> list[dict[str, object]]:
        """Return the rows that the administration console answers."""
        address = f"host=127.0.0.1 port={self.port} dbname=pgbouncer user={USER} password={self.password}"
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            cursor = psycopg.ClientCursor(connection)
            cursor.execute(command.encode())
            if cursor.description is None:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def program() -> Path | None:
    """Return the program, or None where it is not installed."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return Path(found) if found else None
