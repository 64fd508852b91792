"""What Celery programs are told about the jobs that they sent as messages."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Jobs that are there have no callbacks: Celery has sent those, as the version before had it."""
    op.add_column("jobs", sa.Column("task_id", sa.Text))
    op.create_table(
        "celery_tasks",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("message", JSON),
        sa.Column("next_try_at", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("sent_at", sa.BigInteger),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_celery_tasks_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_celery_tasks")),
    )
    op.create_index(
        "ix_celery_tasks_due", "celery_tasks", ["next_try_at", "job_id"], **_where("next_try_at IS NOT NULL")
    )
    op.create_index(
        "ix_celery_tasks_open",
        "celery_tasks",
        ["job_id"],
        **_where("next_try_at IS NULL AND sent_at IS NULL"),
    )
    op.create_table(
        "celery_chained",
        sa.Column("task_id", sa.String(255), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_celery_chained_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_celery_chained")),
    )
    op.create_index(op.f("ix_celery_chained_job_id"), "celery_chained", ["job_id"])


def downgrade() -> None:
    """Callbacks that are not sent are forgotten."""
    op.drop_table("celery_chained")
    op.drop_table("celery_tasks")
    op.drop_column("jobs", "task_id")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
