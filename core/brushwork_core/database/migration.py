"""Migrates the tables to this version. A module of its own, because Alembic is slow to import.

There are two series of migrations. An *addition* only adds tables, indexes and columns that may be null, so
programs of every older version start without knowing it. A *migration* may change more. It declares the
oldest version whose programs still work on its tables; without a declaration, older programs do not start.
Additions have a version table of their own, and run after the migrations.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from brushwork_schemas.errors import ServiceMisconfigured
from brushwork_schemas.wording.phrase import private, said
from sqlalchemy import Column, Connection, MetaData, String, Table, delete, inspect, select, text

LOGGER = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
ADDITIONS = Path(__file__).parent / "additions"
ADDITIONS_TABLE = "schema_additions"
# Programs that know the first addition read this table, and start only if it says so. It never changes.
FIRST_ADDITIONS_TABLE = "alembic_additions"
FIRST_ADDITION = "0001"
# One row: the oldest migration whose programs may start on these tables. Programs read it when they find a
# migration that they do not know. It is beside the tables of versions, and is not migrated itself.
_REQUIREMENTS = Table(
    "schema_requirements",
    MetaData(),
    # The migration that it is about.
    Column("migration", String(32), nullable=False),
    Column("oldest_program", String(32), nullable=False),
)
# Name in a migration's module: the oldest revision whose programs may start on its tables.
OLDEST_PROGRAM = "oldest_program"


@dataclass(frozen=True)
class SchemaVersion:
    """The version of the tables, and whether this program fits them. A version has the form `0007+0001`.

    Args:
        found: Version of the tables: the last migration and the last addition; None where there are none.
        program: Version that this program makes.
        oldest_program: The oldest migration whose programs may start on these tables; None if not recorded.
        needs_migration: Whether this program would migrate the tables.
        fits: Whether this program may start, after a migration if it needs one.
    """

    found: str | None
    program: str
    oldest_program: str | None
    needs_migration: bool
    fits: bool


def migrate(connection: Connection) -> None:
    """Create the tables, or migrate older ones, in the transaction of the connection.

    Tables of a newer version stay as they are, if programs of this version may start on them.

    Raises:
        ServiceMisconfigured: The tables have a revision on which programs of this version do not work.
    """
    try:
        if connection.dialect.name == "postgresql":
            _migrate_postgres(connection)
        else:
            _migrate(connection)
    except CommandError as error:
        raise ServiceMisconfigured(
            said("Cannot migrate the tables of the database: {error}.", error=private(error)),
            field="database_url",
            hint="If a newer version of brushwork created them, install that version.",
        ) from error


def schema_version(connection: Connection) -> SchemaVersion:
    """Return the version of the tables, and whether this program fits them."""
    migration, addition = _current(connection, "alembic_version"), _current(connection, ADDITIONS_TABLE)
    if addition is None:
        addition = _current(connection, FIRST_ADDITIONS_TABLE)
    known_migration = migration is None or migration in _known(MIGRATIONS)
    is_older = migration != _head(MIGRATIONS) or addition != _head(ADDITIONS)
    return SchemaVersion(
        found=None if migration is None else _joined(migration, addition),
        program=_joined(_head(MIGRATIONS), _head(ADDITIONS)),
        oldest_program=_oldest_program(connection),
        needs_migration=known_migration and is_older and (addition is None or addition in _known(ADDITIONS)),
        fits=known_migration or _may_start(connection),
    )


def _joined(*revisions: str | None) -> str:
    return "+".join(revision for revision in revisions if revision is not None)


def _current(connection: Connection, version_table: str) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": version_table})
    return context.get_current_revision()


def _scripts(folder: Path) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(folder))


def _head(folder: Path) -> str | None:
    return _scripts(folder).get_current_head()


def _known(folder: Path) -> set[str]:
    return {script.revision for script in _scripts(folder).walk_revisions()}


def _config(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _migrate(connection: Connection) -> None:
    current = _current(connection, "alembic_version")
    is_ours = current is None or current in _known(MIGRATIONS)
    if is_ours or not _may_start(connection):
        # Alembic has the words for a revision that it does not know.
        _upgrade(MIGRATIONS, connection)
    else:
        LOGGER.info("The tables are newer (%s) than this program, which fits them", current)
    addition = _current(connection, ADDITIONS_TABLE)
    if addition is None and _current(connection, FIRST_ADDITIONS_TABLE) == FIRST_ADDITION:
        _run(command.stamp, ADDITIONS, connection, FIRST_ADDITION)
    if addition is None or addition in _known(ADDITIONS):
        _upgrade(ADDITIONS, connection)
    _stamp_first_addition(connection)
    if is_ours:
        _require(connection, _oldest_of_scripts())


def _upgrade(folder: Path, connection: Connection) -> None:
    _run(command.upgrade, folder, connection, "head")


def _run(
    action: Callable[[Config, str], object], folder: Path, connection: Connection, revision: str
) -> None:
    config = _config(folder)
    config.attributes["connection"] = connection
    action(config, revision)


def _stamp_first_addition(connection: Connection) -> None:
    """Let programs start that know the first addition, and look for nothing else."""
    if _current(connection, FIRST_ADDITIONS_TABLE) is None:
        context = MigrationContext.configure(connection, opts={"version_table": FIRST_ADDITIONS_TABLE})
        context.stamp(_scripts(ADDITIONS), FIRST_ADDITION)


def _oldest_of_scripts() -> str:
    """The oldest revision whose programs may start on the tables that this program makes."""
    return max(
        getattr(script.module, OLDEST_PROGRAM, script.revision)
        for script in _scripts(MIGRATIONS).walk_revisions()
    )


def _require(connection: Connection, oldest: str) -> None:
    _REQUIREMENTS.create(connection, checkfirst=True)
    if _oldest_program(connection) != oldest:
        connection.execute(delete(_REQUIREMENTS))
        row = {"migration": _head(MIGRATIONS), "oldest_program": oldest}
        connection.execute(_REQUIREMENTS.insert().values(row))


def _oldest_program(connection: Connection) -> str | None:
    """The oldest program for the tables as they are; None if whoever migrated them has not recorded it."""
    if not inspect(connection).has_table(_REQUIREMENTS.name):
        return None
    is_current = _REQUIREMENTS.c.migration == _current(connection, "alembic_version")
    return connection.execute(select(_REQUIREMENTS.c.oldest_program).where(is_current)).scalar()


def _may_start(connection: Connection) -> bool:
    """Whether programs of this version may start on tables with a migration that they do not know."""
    oldest, own = _oldest_program(connection), _head(MIGRATIONS)
    return oldest is not None and own is not None and oldest <= own


def _migrate_postgres(connection: Connection) -> None:
    # Imported here, because the driver is an optional dependency.
    from brushwork_core.database.bounded_postgres import unbounded

    # To create an index on a large table may take long.
    with unbounded(connection.connection.driver_connection):
        # Two programs that start at once must not both create the tables.
        connection.execute(text("SELECT pg_advisory_xact_lock(7122001)"))
        _migrate(connection)
