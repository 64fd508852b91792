"""A private PostgreSQL server that counts the statements it runs, by the extension pg_stat_statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from benchmarks.durable_postgres import DurablePostgres
from tests.servers import postgres_programs

DATABASE = "ledger"
_STATEMENTS = """
    SELECT query, calls FROM pg_stat_statements JOIN pg_database ON dbid = pg_database.oid
    WHERE datname = %s AND query !~* '^(BEGIN|COMMIT|ROLLBACK)' ORDER BY calls DESC
"""
_TRANSACTIONS = """
    SELECT coalesce(sum(calls), 0) FROM pg_stat_statements JOIN pg_database ON dbid = pg_database.oid
    WHERE datname = %s AND query ~* '^BEGIN'
"""


@dataclass(frozen=True)
class StatementCounts:
    """The statements of a measured time.

    Args:
        statements: Number of calls of each statement, without BEGIN, COMMIT and ROLLBACK; the most frequent
            first.
        transactions: Number of transactions that were opened by BEGIN.
    """

    statements: tuple[tuple[str, int], ...]
    transactions: int

    @property
    def total(self) -> int:
        """The number of all statements."""
        return sum(calls for _, calls in self.statements)

    @property
    def writes(self) -> int:
        """The number of INSERT, UPDATE and DELETE statements."""
        return sum(
            calls for query, calls in self.statements if query.startswith(("INSERT", "UPDATE", "DELETE"))
        )


class CountedPostgres(DurablePostgres):
    """Loads the extension, and reads its counts through the database `postgres`, which it does not count."""

    def command(self) -> list[str]:
        """As it comes, with the extension, and room for the connections of many workers."""
        more = ("shared_preload_libraries=pg_stat_statements", "max_connections=600")
        return [*super().command(), *(part for option in more for part in ("-c", option))]

    def reset(self) -> None:
        """Set the counts to zero."""
        self.execute("SELECT pg_stat_statements_reset()")

    def counts(self) -> StatementCounts:
        """The statements since the last reset."""
        with self._connect("postgres") as connection:
            statements = connection.execute(_STATEMENTS, [DATABASE]).fetchall()
            row = connection.execute(_TRANSACTIONS, [DATABASE]).fetchone()
        return StatementCounts(
            tuple((query, int(calls)) for query, calls in statements), int(row[0] if row else 0)
        )


@contextmanager
def counted_postgres() -> Iterator[CountedPostgres]:
    """An empty database.

    Raises:
        SystemExit: PostgreSQL or its extension is not installed.
    """
    programs = postgres_programs()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed here.")
    server = CountedPostgres(programs)
    try:
        server.start()
        try:
            server.execute("CREATE EXTENSION pg_stat_statements")
        except psycopg.Error as error:
            raise SystemExit(f"The extension pg_stat_statements is needed: {error}") from error
        server.execute(f"CREATE DATABASE {DATABASE}")
        yield server
    finally:
        server.stop()
