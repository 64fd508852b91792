"""Which process writes a row of metrics, so that the name of the row can outlive the process."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows that are there belong to processes of the version before, which do not fill in the column."""
    columns = sa.inspect(op.get_bind()).get_columns("telemetry")
    # A program that knows only the first addition may have removed the record of later ones.
    if all(column["name"] != "owner" for column in columns):
        op.add_column("telemetry", sa.Column("owner", sa.String(200)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("telemetry", "owner")
