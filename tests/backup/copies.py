"""The two halves of a backup: a copy of the database, then one of the files; and how each is put back."""

import shutil
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import obstore
from brushwork_core.database.database import Database
from obstore.store import S3Store

from tests.s3_server import S3Server
from tests.servers import PostgresServer

# The server of the tests has no certificate.
_PLAIN: dict[str, Any] = {"client_options": {"allow_http": True}}


class DatabaseKind(ABC):
    """A sort of database: how it is made, copied and put back."""

    name: str

    @abstractmethod
    def new(self) -> str:
        """A new database with tables, and its address."""

    @abstractmethod
    def copy(self, url: str, to: Path) -> None:
        """Copy a database that is in use."""

    @abstractmethod
    def restored(self, copy: Path) -> str:
        """Put a copy into a new database, and return its address."""


class SqliteFile(DatabaseKind):
    """A file of SQLite.

    Args:
        folder: Where the files lie.
    """

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self) -> str:
        url = f"sqlite:///{self._folder}/live.sqlite3"
        _migrate(url)
        return url

    def copy(self, url: str, to: Path) -> None:
        # As: sqlite3 ledger.sqlite3 "VACUUM INTO 'copy'"
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
        try:
            connection.execute("VACUUM INTO ?", (str(to),))
        finally:
            connection.close()

    def restored(self, copy: Path) -> str:
        file = self._folder / "restored.sqlite3"
        shutil.copy(copy, file)
        return f"sqlite:///{file}"


class PostgresDatabase(DatabaseKind):
    """A database of PostgreSQL.

    Args:
        server: The server.
        programs: The folder of `pg_dump` and `pg_restore`.
        name: Begins the names of the databases.
    """

    name = "PostgreSQL"

    def __init__(self, server: PostgresServer, programs: Path, name: str) -> None:
        self._server, self._programs, self._prefix = server, programs, name

    def new(self) -> str:
        url = self._created(f"{self._prefix}_live")
        _migrate(url)
        return url

    def copy(self, url: str, to: Path) -> None:
        self._run("pg_dump", "--format=custom", f"--file={to}", f"--dbname={_address(url)}")

    def restored(self, copy: Path) -> str:
        url = self._created(f"{self._prefix}_restored")
        self._run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={_address(url)}", str(copy))
        return url

    def _created(self, name: str) -> str:
        self._server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._server.execute(f"CREATE DATABASE {name}")
        return self._server.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([str(self._programs / program), *arguments], check=True, capture_output=True)


class StoreKind(ABC):
    """A sort of store: how it is made and copied."""

    name: str

    @abstractmethod
    def new(self, name: str) -> str:
        """An empty store, and its address."""

    @abstractmethod
    def copy(self, url: str, to: str) -> None:
        """Copy all files of a store that is in use into an empty one."""


class Folder(StoreKind):
    """A folder.

    Args:
        folder: In which the stores lie.
    """

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new(self, name: str) -> str:
        (self._folder / name).mkdir()
        return str(self._folder / name)

    def copy(self, url: str, to: str) -> None:
        # As rsync does, it goes on where a file that was being written has got its name meanwhile.
        subprocess.run(["cp", "-a", f"{url}/.", to], check=False, capture_output=True)


class S3(StoreKind):
    """A bucket. The environment has to say how to reach the server.

    Args:
        server: The server.
    """

    name = "S3"

    def __init__(self, server: S3Server) -> None:
        self._server = server

    def new(self, name: str) -> str:
        return self._server.bucket().url

    def copy(self, url: str, to: str) -> None:
        # As: aws s3 sync
        source, target = S3Store.from_url(url, **_PLAIN), S3Store.from_url(to, **_PLAIN)
        for found in obstore.list(source):
            for file in found:
                obstore.put(target, file["path"], obstore.get(source, file["path"]).bytes())


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


def _address(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")
