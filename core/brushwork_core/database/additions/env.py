"""Runs the additions on the connection that `Database.migrate` hands over. They have their own version."""

from alembic import context
from brushwork_core.database.migration import ADDITIONS_TABLE
from brushwork_core.database.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=ADDITIONS_TABLE,
)
context.run_migrations()
