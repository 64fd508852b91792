"""How many bytes the files of a key's tenant may take."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keys that are there have no quota."""
    columns = sa.inspect(op.get_bind()).get_columns("api_keys")
    # A program that knows only the first addition may have removed the record of later ones.
    if all(column["name"] != "max_stored_bytes" for column in columns):
        op.add_column("api_keys", sa.Column("max_stored_bytes", sa.BigInteger))


def downgrade() -> None:
    """Remove the column."""
    op.drop_column("api_keys", "max_stored_bytes")
