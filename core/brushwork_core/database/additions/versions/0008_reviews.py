"""Results that a reviewer has to decide about."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Nothing is held yet."""
    # A program that knows only the first addition may have removed the record of later ones.
    if sa.inspect(op.get_bind()).has_table("reviews"):
        return
    op.create_table(
        "reviews",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("policy", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("result", JSON),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_reviews")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_reviews_job_id"), ondelete="CASCADE"),
    )
    is_held = sa.text("state = 'held'")
    op.create_index(
        "ix_reviews_held",
        "reviews",
        ["created_at", "job_id"],
        sqlite_where=is_held,
        postgresql_where=is_held,
    )


def downgrade() -> None:
    """Held results are lost."""
    op.drop_table("reviews")
