"""INSERT statements that tolerate an existing row, for both dialects."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_ignore(connection: Connection, table: Table) -> Any:
    """Return an INSERT that leaves an existing row as it is."""
    return insert_or_ignore_in(connection.dialect.name, table)


def insert_or_ignore_in(dialect: str, table: Table) -> Any:
    """Return an INSERT that leaves an existing row as it is, for the dialect with this name."""
    return _insert(dialect, table).on_conflict_do_nothing()


def upsert(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Insert a row, or change the row that has the same key.

    Args:
        connection: Open transaction.
        table: Table of the row.
        key: Columns of the primary key, with their values.
        values: The other columns of a new row.
        changes: Columns to change in an existing row, by default `values`.
    """
    insert = _insert(connection.dialect.name, table).values(**key, **values)
    columns = [table.c[name] for name in key]
    set_ = dict(values if changes is None else changes)
    connection.execute(insert.on_conflict_do_update(index_elements=columns, set_=set_))


def _insert(dialect: str, table: Table) -> Any:
    return (postgresql if dialect == "postgresql" else sqlite).insert(table)
