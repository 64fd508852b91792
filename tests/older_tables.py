"""Tables as an older version left them."""

from alembic import command
from alembic.config import Config
from brushwork_core.database.database import Database
from brushwork_core.database.migration import MIGRATIONS


def downgrade(database: Database, revision: str) -> None:
    """Take the tables back to that revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
