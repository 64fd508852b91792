"""Migrates the tables to this version. A module of its own, because Alembic is slow to import."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.wording.phrase import said
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """Create the tables, or migrate older ones, in the transaction of the connection.

    Raises:
        ServiceUnreachable: The tables have a revision that this version does not know.
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
            said("Cannot migrate the tables of the database: {error}.", error=error),
            field="database_url",
            hint="If a newer version of brushwork created them, install that version.",
        ) from error


def revisions(connection: Connection) -> tuple[str | None, str]:
    """Return the revision of the tables, None where there are none, and the revision of this version."""
    found = MigrationContext.configure(connection).get_current_revision()
    return found, str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _upgrade_postgres(config: Config, connection: Connection) -> None:
    # Imported here, because the driver is an optional dependency.
    from brushwork_core.database.bounded_postgres import unbounded

    # To create an index on a large table may take long.
    with unbounded(connection.connection.driver_connection):
        # Two programs that start at once must not both create the tables.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7122001)")
        command.upgrade(config, "head")
