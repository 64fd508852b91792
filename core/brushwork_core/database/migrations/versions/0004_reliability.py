"""Reliability: deadlines, priorities, tenants, idempotency, suspects, retries, and the outbox of webhooks."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
JOBS = (
    sa.Column("last_error", JSON),
    sa.Column("tenant", sa.String(64), nullable=False, server_default=""),
    sa.Column("priority", sa.String(8), nullable=False, server_default="normal"),
    sa.Column("rank", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("not_before", sa.BigInteger),
    sa.Column("deadline_at", sa.BigInteger),
    sa.Column("avoid_worker", sa.String(200)),
    sa.Column("avoid_until", sa.BigInteger),
    sa.Column("suspicion", sa.String(200)),
    sa.Column("is_performing", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("request_sha256", sa.String(64)),
    sa.Column("webhook_url", sa.String(2000)),
)
WORKERS = (
    sa.Column("host", sa.String(128), nullable=False, server_default=""),
    sa.Column("pid", sa.Integer, nullable=False, server_default="0"),
    sa.Column("pid_started_at", sa.Float, nullable=False, server_default="0"),
)
INDEXES = {
    "ix_jobs_backlog": (["kind", "tenant", "rank", "id"], "state = 'queued' AND dispatched_at IS NULL"),
    "ix_jobs_dispatched": (["kind", "dispatched_at", "id"], "state = 'queued' AND dispatched_at IS NOT NULL"),
    "ix_jobs_deadline": (["deadline_at"], "state = 'queued' AND deadline_at IS NOT NULL"),
    "ix_jobs_suspects": (["suspicion"], "suspicion IS NOT NULL"),
}


def upgrade() -> None:
    """Jobs that are there get the place in the backlog that their time of creation gives them."""
    for column in JOBS:
        op.add_column("jobs", column)
    for column in WORKERS:
        op.add_column("workers", column)
    op.execute("UPDATE jobs SET rank = queued_at")
    op.execute("UPDATE jobs SET is_performing = true WHERE state = 'running'")
    op.drop_index("ix_jobs_waiting", "jobs")
    for name, (columns, condition) in INDEXES.items():
        op.create_index(name, "jobs", columns, **_where(condition))
    op.create_index(
        "ix_jobs_idempotency",
        "jobs",
        ["tenant", "idempotency_key"],
        unique=True,
        **_where("idempotency_key IS NOT NULL"),
    )
    op.create_table(
        "webhook_events",
        sa.Column("id", sa.String(96), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_events"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_webhook_events_job_id", ondelete="CASCADE"),
    )
    op.create_index("ix_webhook_events_job_id", "webhook_events", ["job_id"])


def downgrade() -> None:
    """Drop all of it; jobs that wait for a retry are free at once."""
    op.drop_table("webhook_events")
    for name in (*INDEXES, "ix_jobs_idempotency"):
        op.drop_index(name, "jobs")
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["kind", sa.text("coalesce(dispatched_at, 0)"), "id"],
        **_where("state = 'queued'"),
    )
    for column in WORKERS:
        op.drop_column("workers", column.name)
    for column in JOBS:
        op.drop_column("jobs", column.name)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
