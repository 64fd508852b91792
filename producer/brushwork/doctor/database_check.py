"""Check the database: whether it answers, its version, its tables, its file system and its clock."""

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
from brushwork.doctor.session_check import check_sessions

ABOUT = "database"
OLDEST_POSTGRES = (13, 0)
OLDEST_SQLITE = (3, 35)
SKEW_S = 2.0
# SQLite's write-ahead log needs shared memory, which network file systems do not provide.
NETWORK = {"nfs", "nfs4", "cifs", "smbfs", "smb3", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}


def check_database(settings: Settings) -> Iterator[Finding]:
    """Check connection, version, tables, file system and clock."""
    url = settings.database_url.get_secret_value()
    file = sqlite_file(url)
    if file is not None and not file.is_file():
        yield fail(
            ABOUT, f"The database file {file} does not exist.", "Run: brushwork up, or brushwork migrate"
        )
        return
    database = Database(url, "doctor")
    try:
        with database.writing() as connection:
            clock_s = connection.execute(select(now_ms())).scalar_one() / 1000
        yield _version(database)
        yield from _tables(database)
        yield from check_sessions(database, settings)
    except BrushworkError as error:
        yield fail(ABOUT, error.message, error.hint)
        return
    finally:
        database.close()
    if file is not None:
        yield _place(file)
        yield from _permissions(file)
    else:
        yield _clock(clock_s - time.time())


@contextmanager
def existing(settings: Settings) -> Iterator[Database | None]:
    """Yield the database for other checks; None if its file does not exist, which this check reports."""
    url = settings.database_url.get_secret_value()
    if (file := sqlite_file(url)) is not None and not file.is_file():
        yield None
        return
    database = Database(url, "doctor")
    try:
        yield database
    finally:
        database.close()


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite address; None for other databases and for those in memory."""
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
    message = f"{name} {'.'.join(map(str, found))} accepts writes."
    if found < oldest:
        return fail(ABOUT, message, f"Use {name} {'.'.join(map(str, oldest))} or newer.")
    return ok(ABOUT, message)


def _tables(database: Database) -> Iterator[Finding]:
    # Here, for Alembic is slow to import.
    from brushwork_core.database.migration import schema_version

    with database.reading() as connection:
        version = schema_version(connection)
    found, program = version.found, version.program
    if not version.fits:
        yield fail(
            ABOUT,
            f"The tables have version {found}, newer than this brushwork ({program}), which is too old.",
            "Update brushwork here: docs/upgrades.md.",
        )
    elif version.needs_migration:
        yield fail(
            ABOUT,
            f"The tables have version {found}; this brushwork needs {program}.",
            "Run: brushwork migrate",
        )
    elif found != program:
        yield warn(
            ABOUT,
            f"The tables have version {found}, newer than this brushwork ({program}), which works on them.",
            "Update brushwork here, too: docs/upgrades.md.",
        )
    else:
        yield ok(ABOUT, f"The tables are up to date (version {found}).")


def _place(file: Path) -> Finding:
    kind = _file_system(file)
    if kind in NETWORK:
        return fail(
            ABOUT,
            f"{file} is on a network file system ({kind}), where SQLite loses writes.",
            "Move it to a disk of this machine, or use PostgreSQL.",
        )
    return ok(ABOUT, f"{file} is on a disk of this machine{f' ({kind})' if kind else ''}.")


def _permissions(file: Path) -> Iterator[Finding]:
    # In a folder that is closed to others, the permissions of the file do not matter.
    if file.stat().st_mode & 0o077 and file.parent.stat().st_mode & 0o077:
        yield warn(
            ABOUT,
            f"Other users of this machine can read {file}, which has prompts.",
            f"Run: chmod go= {file}*",
        )


def _file_system(file: Path) -> str:
    """Return the type of the file system of a file."""
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((mounts[folder] for folder in file.resolve().parents if folder in mounts), "")


def _clock(skew_s: float) -> Finding:
    if abs(skew_s) < SKEW_S:
        return ok(ABOUT, "The clocks of the database and of this machine agree.")
    return warn(
        ABOUT,
        f"The clock of the database differs by {skew_s:+.0f} s from that of this machine.",
        "Set both by NTP. Leases use the clock of the database; webhooks use the clock of the sender.",
    )
