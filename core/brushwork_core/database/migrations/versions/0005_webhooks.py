"""Webhooks: what a sender notes of each event, and the index by which it finds what is due."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COLUMNS = (
    sa.Column("receiver", sa.String(2000), nullable=False, server_default=""),
    sa.Column("next_try_at", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("delivered_at", sa.BigInteger),
    sa.Column("dead", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.String(500)),
)


def upgrade() -> None:
    """Events that are there are due at once, each address a receiver of its own."""
    for column in COLUMNS:
        op.add_column("webhook_events", column)
    op.execute("UPDATE webhook_events SET receiver = url, next_try_at = created_at")
    op.create_index(
        "ix_webhook_events_open",
        "webhook_events",
        ["receiver", "next_try_at", "id"],
        **_where("next_try_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop it; what was delivered is forgotten."""
    op.drop_index("ix_webhook_events_open", "webhook_events")
    for column in COLUMNS:
        op.drop_column("webhook_events", column.name)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
