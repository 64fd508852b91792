"""Which worker maintains the ledger for all, and how often a worker beats."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has the lease yet. Workers of older versions do not fill in the interval of their beats."""
    found = sa.inspect(op.get_bind())
    # A program that knows only the first addition may have removed the record of later ones.
    if not found.has_table("maintenance_leases"):
        op.create_table(
            "maintenance_leases",
            sa.Column("name", sa.String(64), nullable=False),
            sa.Column("holder", sa.String(200), nullable=False),
            sa.Column("expires_at", sa.BigInteger, nullable=False),
            sa.PrimaryKeyConstraint("name", name=op.f("pk_maintenance_leases")),
        )
    if all(column["name"] != "beat_ms" for column in found.get_columns("workers")):
        op.add_column("workers", sa.Column("beat_ms", sa.BigInteger))


def downgrade() -> None:
    """Each worker maintains the ledger again."""
    op.drop_column("workers", "beat_ms")
    op.drop_table("maintenance_leases")
