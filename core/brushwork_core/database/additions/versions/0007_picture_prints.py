"""What the pictures of jobs look like, to find the job of a copy without metadata."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEXED = ("pixels_sha256", "unsigned_sha256", "band_0", "band_1", "band_2", "band_3")


def upgrade() -> None:
    """Pictures that are there have no print, and neither have those of workers of older versions."""
    # A program that knows only the first addition may have removed the record of later ones.
    if sa.inspect(op.get_bind()).has_table("picture_prints"):
        return
    op.create_table(
        "picture_prints",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False, server_default=""),
        sa.Column("pixels_sha256", sa.String(64)),
        sa.Column("unsigned_sha256", sa.String(64)),
        *(sa.Column(f"band_{number}", sa.Integer, nullable=False) for number in range(4)),
        sa.Column("thumbnail", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_picture_prints_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "sha256", name=op.f("pk_picture_prints")),
    )
    for name in INDEXED:
        op.create_index(f"ix_picture_prints_{name}", "picture_prints", [name, "tenant"])


def downgrade() -> None:
    """The prints are lost."""
    op.drop_table("picture_prints")
