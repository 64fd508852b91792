"""Whether somebody sits on a SQLite file's one write lock."""

import sqlite3

from brushwork_core.database.database import Database

# A write takes milliseconds: who holds the lock for so long stands still.
LONGEST_WRITE_S = 1.0


def is_locked(database: Database) -> bool:
    """False on PostgreSQL, where a transaction locks its own rows alone."""
    if database.engine.dialect.name != "sqlite":
        return False
    connection = sqlite3.connect(str(database.engine.url.database), timeout=LONGEST_WRITE_S)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False
