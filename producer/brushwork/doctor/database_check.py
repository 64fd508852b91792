"""Whether the ledger's database answers, has this version's tables, and lies where it is safe."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from brushwork_core.database.database import Database, now_ms
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError
from sqlalchemy import make_url, select

from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "database"
OLDEST_POSTGRES = (13, 0)
OLDEST_SQLITE = (3, 35)
SKEW_S = 2.0
# SQLite's write-ahead log needs memory that all processes share, which these can't give.
NETWORK = {"nfs", "nfs4", "cifs", "smbfs", "smb3", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}


def check_database(settings: Settings) -> Iterator[Finding]:
    """Reachable and writable, version, tables, file system, clock."""
    url = settings.database_url.get_secret_value()
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        yield fail(ABOUT, f"There is no database {file}.", "Run: brushwork up, or brushwork migrate")
        return
    database = Database(url)
    try:
        with database.writing() as connection:
            clock_s = connection.execute(select(now_ms())).scalar_one() / 1000
        yield _version(database)
        yield from _tables(database)
    except BrushworkError as error:
        yield fail(ABOUT, error.message, error.hint)
        return
    finally:
        database.close()
    if file is not None:
        yield _place(file)
    else:
        yield _clock(clock_s - time.time())


@contextmanager
def existing(settings: Settings) -> Iterator[Database | None]:
    """The database, for the other checks; None where there is no such file, which one of them says."""
    url = settings.database_url.get_secret_value()
    if (file := sqlite_file(url)) is not None and not file.is_file():
        yield None
        return
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite address; None for other databases and those in memory."""
    address = make_url(url)
    is_file = address.get_backend_name() == "sqlite" and address.database not in (None, "", ":memory:")
    return Path(str(address.database)).absolute() if is_file else None


def _version(database: Database) -> Finding:
    found: tuple[int, ...] = sqlite3.sqlite_version_info
    oldest, name = OLDEST_SQLITE, "SQLite"
    if database.engine.dialect.name == "postgresql":
        # Known since the first connection.
        found = tuple(int(part) for part in database.engine.dialect.server_version_info or ())
        oldest, name = OLDEST_POSTGRES, "PostgreSQL"
    message = f"{name} {'.'.join(map(str, found))} takes writes."
    if found < oldest:
        return fail(ABOUT, message, f"Use {name} {'.'.join(map(str, oldest))} or newer.")
    return ok(ABOUT, message)


def _tables(database: Database) -> Iterator[Finding]:
    # Here, for Alembic is slow to import.
    from brushwork_core.database.migration import revisions

    with database.reading() as connection:
        found, newest = revisions(connection)
    if found == newest:
        yield ok(ABOUT, f"Its tables are those of this version, {newest}.")
    elif found is None or found < newest:
        yield fail(ABOUT, f"Its tables are of version {found}, not {newest}.", "Run: brushwork migrate")
    else:
        yield fail(ABOUT, f"Its tables are newer than this brushwork: {found}, not {newest}.", "Update here.")


def _place(file: Path) -> Finding:
    kind = _file_system(file)
    if kind in NETWORK:
        return fail(
            ABOUT,
            f"{file} lies on a network file system ({kind}), where SQLite loses writes.",
            "Keep it on a disk of this machine, or use PostgreSQL.",
        )
    return ok(ABOUT, f"{file} lies on this machine{f' ({kind})' if kind else ''}.")


def _file_system(file: Path) -> str:
    """The kind of the file system that holds a file."""
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((mounts[folder] for folder in file.resolve().parents if folder in mounts), "")


def _clock(skew_s: float) -> Finding:
    if abs(skew_s) < SKEW_S:
        return ok(ABOUT, "Its clock and this machine's agree.")
    return warn(
        ABOUT,
        f"Its clock is {skew_s:+.0f} s off this machine's.",
        "Set both by NTP. Leases go by the database's clock alone; times in webhooks go by the sender's.",
    )
