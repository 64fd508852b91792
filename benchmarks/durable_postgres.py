"""A private PostgreSQL server like in the tests, but with the default durability settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import PostgresServer, postgres_programs

_DEFAULTS = {
    "synchronous_commit=off": "synchronous_commit=on",
    "fsync=off": "fsync=on",
    "autovacuum=off": "autovacuum=on",
    "shared_buffers=32MB": "shared_buffers=128MB",
}


class DurablePostgres(PostgresServer):
    """With what counts for durability and speed as PostgreSQL comes."""

    def command(self) -> list[str]:
        """As the tests', but for those settings."""
        return [_DEFAULTS.get(part, part) for part in super().command()]


@contextmanager
def durable_postgres() -> Iterator[str | None]:
    """The address of an empty database; None where no PostgreSQL is installed."""
    programs: Path | None = postgres_programs()
    if programs is None:
        print(" PostgreSQL is not installed here: no row for it.")
        yield None
        return
    server = DurablePostgres(programs)
    try:
        server.start()
        server.execute("CREATE DATABASE ledger")
        yield server.url("ledger")
    finally:
        server.stop()
