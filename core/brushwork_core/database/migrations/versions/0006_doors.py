"""What the doors need: groups, retries, retention and traces of jobs; keys; files of tenants; telemetry."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
OF_JOBS = (
    sa.Column("job_group", sa.String(64)),
    sa.Column("retry_of", sa.String(64)),
    sa.Column("retention_s", sa.Float),
    sa.Column("traceparent", sa.String(55)),
    sa.Column("webhook_events", sa.String(200)),
)


def upgrade() -> None:
    """Jobs that are there belong to no group, and their webhooks go on telling of every end."""
    for column in OF_JOBS:
        op.add_column("jobs", column)
    op.create_index("ix_jobs_newest_of_tenant", "jobs", ["tenant", "created_at", "id"])
    op.create_index(
        "ix_jobs_newest_of_group",
        "jobs",
        ["job_group", "created_at", "id"],
        **_where("job_group IS NOT NULL"),
    )
    op.create_index("ix_jobs_retention", "jobs", ["finished_at"], **_where("retention_s IS NOT NULL"))
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("requests_per_minute", sa.Integer),
        sa.Column("daily_budget", sa.Float),
        sa.Column("max_open_jobs", sa.Integer),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("last_used_at", sa.BigInteger),
    )
    op.create_table(
        "key_usage",
        sa.Column(
            "key_id", sa.String(16), sa.ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("num_jobs", sa.Integer, nullable=False),
        sa.Column("cost", sa.Float, nullable=False),
    )
    op.create_table(
        "tenant_files",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("artifacts.sha256"), primary_key=True, index=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "ix_webhook_events_dead",
        "webhook_events",
        ["created_at", "id"],
        sqlite_where=sa.text("dead = 1"),
        postgresql_where=sa.text("dead"),
    )
    op.create_table(
        "telemetry",
        sa.Column("process", sa.String(200), primary_key=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("samples", sa.Text, nullable=False),
    )
    op.create_table(
        "tallies",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it; keys and what they used are forgotten."""
    op.drop_index("ix_webhook_events_dead", "webhook_events")
    for table in ("tallies", "telemetry", "tenant_files", "key_usage", "api_keys"):
        op.drop_table(table)
    for index in ("ix_jobs_retention", "ix_jobs_newest_of_group", "ix_jobs_newest_of_tenant"):
        op.drop_index(index, "jobs")
    for column in OF_JOBS:
        op.drop_column("jobs", column.name)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
