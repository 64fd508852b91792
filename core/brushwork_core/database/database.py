"""The database of the ledger: SQLite or PostgreSQL, with the same behavior."""

import json
import math
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from brushwork_schemas.errors import InvalidRequest, MissingExtra, ServiceMisconfigured
from brushwork_schemas.wording.phrase import private, said
from sqlalchemy import URL, BigInteger, Connection, Engine, Executable, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from brushwork_core.database.connection_errors import translated
from brushwork_core.database.open_check import check_at_checkout
from brushwork_core.database.tables import TALLIES
from brushwork_core.database.upsert import upsert
from brushwork_core.database.write_queue import WriteQueue, answered_within
from brushwork_core.timing.backoff import Backoff, retried

# Time limit of a write to SQLite while the file is locked, from its call to its answer. It is below the usual
# limits of HTTP clients and proxies.
SQLITE_WRITE_LIMIT_S = 20
# Of the name of a PostgreSQL application, in bytes.
LONGEST_NAME = 63
LOCKED_PAUSE_S = 0.01
# The row that `expect_writable` writes.
WRITE_CHECK = "write_check"
_Answer = TypeVar("_Answer")


class now_ms(FunctionElement[int]):  # noqa: N801 - named as an SQL function
    """SQL function: the time of the database's clock, in whole milliseconds since 1970."""

    type = BigInteger()
    inherit_cache = True


@compiles(now_ms, "sqlite")
def _sqlite_now(element: Any, compiler: Any, **options: Any) -> str:
    # unixepoch('subsec') needs SQLite 3.42. The Julian day works in all versions and is exact to 0.1 ms.
    return "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


@compiles(now_ms, "postgresql")
def _postgresql_now(element: Any, compiler: Any, **options: Any) -> str:
    # One value per statement, as in SQLite. With clock_timestamp() the planner would not use indexes.
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"


class Database:
    """Connections to one database.

    Args:
        url: SQLAlchemy address, `sqlite:///file` or `postgresql+psycopg://...`.
        user: Kind and name of the process, such as `worker a@host`. PostgreSQL shows `brushwork` and this
            as the application name of its connections, unless the address has another.

    Raises:
        InvalidRequest: The address is invalid.
        MissingExtra: The driver is not installed.
    """

    def __init__(self, url: str, user: str = "") -> None:
        self.engine = _engine(url, application_name(user))
        is_sqlite = self.engine.dialect.name == "sqlite"
        # PostgreSQL has many writers at once, and groups their commits itself.
        self._queue = WriteQueue(self._transaction, limit_s=SQLITE_WRITE_LIMIT_S) if is_sqlite else None

    @property
    def has_many_writers(self) -> bool:
        """Whether transactions write beside each other: on PostgreSQL. SQLite has one at a time."""
        return self._queue is None

    @property
    def write_limit_s(self) -> float:
        """Seconds within which a write is answered while the file is locked. PostgreSQL locks only rows."""
        return self._queue.limit_s if self._queue else SQLITE_WRITE_LIMIT_S

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a connection that only reads. It never waits for a writer.

        On PostgreSQL, each statement is a transaction of its own: they see the same as in one transaction of
        the isolation level READ COMMITTED, and the messages for its begin and end are saved.
        """
        with translated(), self.engine.connect() as connection:
            yield connection.execution_options(brushwork_reads=True, **_one_by_one(connection))

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction. It is committed at the end, or rolled back by an exception.

        Raises:
            ServiceUnreachable: The database does not answer, or stays locked.
        """
        with self._queue.exclusive() if self._queue else self._transaction() as connection:
            yield connection

    def write_at_once(self, statement: Executable, values: dict[str, Any]) -> Sequence[Any]:
        """Run one statement that writes, and return its rows after the commit.

        On PostgreSQL it is a transaction of its own, without the messages for a begin and an end.

        Raises:
            ServiceUnreachable: The database does not answer, or stays locked.
        """
        if self._queue:
            return self._queue.write(lambda connection: connection.execute(statement, values).all())
        with translated(), self.engine.connect() as connection:
            connection = connection.execution_options(**_one_by_one(connection))
            with connection.begin():
                return connection.execute(statement, values).all()

    def write(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """Run `work` in a transaction, and return its result after the commit.

        On SQLite, one transaction may hold the writes of several threads.

        Args:
            work: Reads and writes through the connection, without other effects: it may run twice, where the
                first run is rolled back.

        Raises:
            ServiceUnreachable: The database does not answer, or stays locked.
        """
        if self._queue:
            return self._queue.write(work)
        with self._transaction() as connection:
            return work(connection)

    @contextmanager
    def _transaction(self, wait_s: float | None = None) -> Iterator[Connection]:
        with translated(), self.engine.connect() as connection:
            if wait_s is not None:
                connection = connection.execution_options(brushwork_wait_ms=round(1000 * wait_s))
            with connection.begin():
                yield connection

    def expect_writable(self, limit_s: float) -> None:
        """Write a row, to learn whether the database accepts writes now.

        Args:
            limit_s: Seconds to wait for SQLite's lock.

        Raises:
            ServiceUnreachable: It does not.
        """
        with answered_within(limit_s), self.writing() as connection:
            upsert(connection, TALLIES, {"name": WRITE_CHECK}, {"number": now_ms()})

    def migrate(self) -> None:
        """Create the tables, or migrate older ones to this version."""
        from brushwork_core.database.migration import migrate

        with self.writing() as connection:
            migrate(connection)

    def close(self) -> None:
        """Close all connections: one that another thread uses now, as soon as it is returned."""
        event.listen(self.engine, "checkin", _close_returned)
        self.engine.dispose()


def _one_by_one(connection: Connection) -> dict[str, Any]:
    # Behind a pooler, the limits of the server are a part of the transaction.
    is_direct = getattr(connection.connection.driver_connection, "is_pooled", True) is False
    return {"isolation_level": "AUTOCOMMIT"} if is_direct else {}


def _close_returned(connection: object, record: Any) -> None:
    record.close()


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _json(value: Any) -> str:
    """Encode a value as JSON that PostgreSQL accepts: replace U+0000, lone surrogates, NaN and infinity.

    Valid requests have none of these. The error message of a model or a refused request may.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_storable(value), ensure_ascii=False)
    is_storable = "\\u0000" not in text and not _UNSTORABLE.search(text)
    return text if is_storable else json.dumps(_storable(value), ensure_ascii=False)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in value.items()}
    return value


# In seconds, the last one in milliseconds. The defaults wait without limit for a lost host, which would
# block the heartbeat of a worker.
_NETWORK_LIMITS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def application_name(user: str) -> str:
    """Return the name under which PostgreSQL shows the connections of a process.

    PostgreSQL keeps its first 63 bytes, and only printable ASCII. The end of a name that is too long is cut
    off here, so that the server need not warn.

    Args:
        user: Kind and name of the process.
    """
    return f"brushwork {user}".strip().encode("ascii", "replace")[:LONGEST_NAME].decode("ascii")


def _engine(url: str, name: str) -> Engine:
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            return _sqlite_engine(url)
        if address.get_backend_name() != "postgresql":
            raise ArgumentError(f"{address.get_backend_name()} is not supported")
        is_psycopg = address.get_driver_name() == "psycopg"
        engine = create_engine(
            address,
            pool_pre_ping=not is_psycopg,
            pool_size=20,
            json_serializer=_json,
            connect_args=_own_options(address, name) if is_psycopg else {},
        )
        if is_psycopg:
            event.listen(engine, "do_connect", _connect_bounded)
            event.listen(engine, "begin", _begin_limited)
            check_at_checkout(engine)
        return engine
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        # A ValueError quotes the port, which may be a part of the password.
        reason = "invalid port" if isinstance(error, ValueError) else error
        raise InvalidRequest(
            said("Invalid database address: {reason}.", reason=private(reason)),
            field="database_url",
            hint="Use sqlite:///file or postgresql+psycopg://user:password@host/name.",
        ) from error
    except ModuleNotFoundError as error:
        raise MissingExtra(
            said("The database driver {error} is not installed.", error=error.name),
            field="database_url",
            hint="Run: pip install 'brushwork[postgres]'",
        ) from error


def _own_options(address: URL, name: str) -> dict[str, Any]:
    """The options of a connection that the address does not have."""
    options = {**_NETWORK_LIMITS, "application_name": name}
    return {option: value for option, value in options.items() if option not in address.query}


def driver_options(url: str, user: str) -> dict[str, Any]:
    """Return the arguments with which psycopg connects as `Database` does.

    Args:
        url: SQLAlchemy address, `postgresql+psycopg://...`.
        user: Kind and name of the process.
    """
    address = make_url(url)
    _, given = address.get_dialect()().create_connect_args(address)
    return {**_own_options(address, application_name(user)), **given}


def _connect_bounded(dialect: object, record: object, args: Sequence[Any], options: dict[str, Any]) -> Any:
    # Imported here, because the driver is an optional dependency.
    from brushwork_core.database.bounded_postgres import connect

    # The limit of libpq for an acknowledgement is also the limit for a reply; 0 is no limit for both.
    return connect(int(options["tcp_user_timeout"]) / 1000 or None, *args, **options)


def _begin_limited(connection: Connection) -> None:
    from brushwork_core.database.bounded_postgres import begin_limited

    begin_limited(connection)


def _sqlite_engine(url: str) -> Engine:
    file = make_url(url).database
    if file and file != ":memory:":
        _make_folder(Path(file).parent)
    engine = create_engine(
        url, connect_args={"timeout": SQLITE_WRITE_LIMIT_S}, pool_size=20, json_serializer=_json
    )
    event.listen(engine, "do_connect", _create_private)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(dialect: object, record: object, args: Sequence[Any], options: dict[str, Any]) -> None:
    """Create the file for its owner alone, because requests hold prompts. SQLite creates its logs alike."""
    file = str(args[0]) if args else ""
    if file and file != ":memory:" and not file.startswith("file:") and not Path(file).exists():
        # SQLite has the words for whatever is wrong with the file.
        with suppress(OSError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceMisconfigured(
            said("Cannot create the folder of the database: {error}.", error=private(error)),
            field="database_url",
            hint="Check BRUSHWORK_DATABASE_URL, and the permission to write there.",
        ) from error


def _prepare_sqlite(connection: Any, record: object) -> None:
    # The driver would begin a transaction late, and lose writes when it upgrades its lock.
    connection.isolation_level = None
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _write_ahead(connection: Any) -> None:
    """Switch to write-ahead logging, so that readers do not wait for writers.

    If several connections do this to a new file at once, SQLite tells all but one that the file is locked. It
    ignores its busy timeout there.
    """
    retried(
        lambda: connection.execute("PRAGMA journal_mode=WAL"),
        is_temporary=_is_busy,
        backoff=Backoff(LOCKED_PAUSE_S, LOCKED_PAUSE_S),
        timeout_s=SQLITE_WRITE_LIMIT_S,
    )


def _is_busy(error: Exception) -> bool:
    return (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("brushwork_reads"):
        connection.exec_driver_sql("BEGIN")
        return
    wait_ms = options.get("brushwork_wait_ms", 1000 * SQLITE_WRITE_LIMIT_S)
    connection.exec_driver_sql(f"PRAGMA busy_timeout={wait_ms}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
