"""Migrates the tables to this version. A module of its own, because Alembic is slow to import.

There are two series of migrations. A process does not start on tables with a migration that it does not
know. An *addition* only adds tables, indexes and columns that may be null, so older processes start without
knowing it. Additions have a version table of their own, and run after the migrations.
"""

from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.wording.phrase import private, said
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent / "migrations"
ADDITIONS = Path(__file__).parent / "additions"
ADDITIONS_TABLE = "alembic_additions"


def migrate(connection: Connection) -> None:
    """Create the tables, or migrate older ones, in the transaction of the connection.

    Raises:
        ServiceUnreachable: The tables have a revision that this version does not know.
    """
    configs = [_config(MIGRATIONS), _config(ADDITIONS)]
    for config in configs:
        config.attributes["connection"] = connection
    try:
        if connection.dialect.name == "postgresql":
            _upgrade_postgres(configs, connection)
        else:
            _upgrade(configs)
    except CommandError as error:
        raise ServiceUnreachable(
            said("Cannot migrate the tables of the database: {error}.", error=private(error)),
            field="database_url",
            hint="If a newer version of brushwork created them, install that version.",
        ) from error


def revisions(connection: Connection) -> tuple[str | None, str]:
    """Return the revision of the tables, None where there are none, and the revision of this version.

    Each has the form `0007+0001`: the last migration and the last addition.
    """
    of_additions = MigrationContext.configure(connection, opts={"version_table": ADDITIONS_TABLE})
    migration = MigrationContext.configure(connection).get_current_revision()
    found = None if migration is None else _joined(migration, of_additions.get_current_revision())
    return found, _joined(*(_head(folder) for folder in (MIGRATIONS, ADDITIONS)))


def _joined(*revisions: str | None) -> str:
    return "+".join(revision for revision in revisions if revision is not None)


def _head(folder: Path) -> str | None:
    return ScriptDirectory.from_config(_config(folder)).get_current_head()


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _upgrade(configs: Sequence[Config]) -> None:
    for config in configs:
        command.upgrade(config, "head")


def _upgrade_postgres(configs: Sequence[Config], connection: Connection) -> None:
    # Imported here, because the driver is an optional dependency.
    from brushwork_core.database.bounded_postgres import unbounded

    # To create an index on a large table may take long.
    with unbounded(connection.connection.driver_connection):
        # Two programs that start at once must not both create the tables.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7122001)")
        _upgrade(configs)
