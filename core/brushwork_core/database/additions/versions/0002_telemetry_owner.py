"""Which process writes a row of metrics, so that the name of the row can outlive the process."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows that are there belong to processes of the version before, which do not fill in the column."""
    op.add_column("telemetry", sa.Column("owner", sa.String(200)))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("telemetry", "owner")
