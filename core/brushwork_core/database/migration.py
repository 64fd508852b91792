"""Brings a database's tables to this version, with Alembic. Apart, for Alembic is slow to import."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Create the tables, or bring older ones up to date, inside the connection's transaction.

    Raises:
        ServiceUnreachable: The tables are of a version that this one does not know.
    """
    config = _config()
    config.attributes["connection"] = connection
    try:
        if connection.dialect.name == "postgresql":
            _upgrade_postgres(config, connection)
        else:
            command.upgrade(config, "head")
    except CommandError as error:
        raise ServiceUnreachable(
            f"The database's tables can't be brought to this version: {error}.",
            field="database_url",
            hint="They may be of a newer brushwork: install that one.",
        ) from error


def revisions(connection: Connection) -> tuple[str | None, str]:
    """Of which revision the tables are, None where there are none, and which is this version's."""
    found = MigrationContext.configure(connection).get_current_revision()
    return found, str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _upgrade_postgres(config: Config, connection: Connection) -> None:
    # Here, for the driver is not installed everywhere.
    from brushwork_core.database.bounded_postgres import unbounded

    # An index on a large table takes its time.
    with unbounded(connection.connection.driver_connection):
        # Two programs that start at once must not both create the tables.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7122001)")
        command.upgrade(config, "head")
