"""Which file has the credentials that a picture had when it was handed in."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Pictures that are there had none. Both files may be removed by programs that do not know the table."""
    # A program that knows only the first addition may have removed the record of later ones.
    if sa.inspect(op.get_bind()).has_table("picture_credentials"):
        return
    op.create_table(
        "picture_credentials",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("picture", sa.String(64), nullable=False),
        sa.Column("credentials", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "picture", name=op.f("pk_picture_credentials")),
        sa.ForeignKeyConstraint(
            ["picture"],
            ["artifacts.sha256"],
            name=op.f("fk_picture_credentials_picture"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["credentials"],
            ["artifacts.sha256"],
            name=op.f("fk_picture_credentials_credentials"),
            ondelete="CASCADE",
        ),
    )
    for column in ("picture", "credentials"):
        op.create_index(f"ix_picture_credentials_{column}", "picture_credentials", [column])


def downgrade() -> None:
    """The credentials themselves stay, as files of jobs and uploads."""
    op.drop_table("picture_credentials")
