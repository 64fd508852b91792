"""Tables as an older version left them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from brushwork_core.database.database import Database
from brushwork_core.database.migration import (
    ADDITIONS,
    ADDITIONS_TABLE,
    FIRST_ADDITION,
    FIRST_ADDITIONS_TABLE,
    MIGRATIONS,
)
from sqlalchemy import text


def downgrade(database: Database, revision: str) -> None:
    """Take the tables back to that revision, later additions first: they change tables of migrations."""
    _downgrade(database, ADDITIONS, FIRST_ADDITION)
    _downgrade(database, MIGRATIONS, revision)


def without_additions(database: Database) -> None:
    """Take away what older versions need not know."""
    _downgrade(database, ADDITIONS, "base")
    with database.writing() as connection:
        for name in (FIRST_ADDITIONS_TABLE, ADDITIONS_TABLE, "schema_requirements"):
            connection.execute(text(f"DROP TABLE {name}"))


def _downgrade(database: Database, series: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(series))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
