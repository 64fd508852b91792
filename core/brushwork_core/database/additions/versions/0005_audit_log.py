"""The audit log: a table whose rows are added, never changed, and removed only when they are a day old."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
DAY_MS = 24 * 3600 * 1000
_SQLITE = (
    """
    CREATE TRIGGER audit_events_stay BEFORE UPDATE ON audit_events
    BEGIN SELECT RAISE(ABORT, 'records of the audit log are never changed'); END
    """,
    f"""
    CREATE TRIGGER audit_events_stay_a_day BEFORE DELETE ON audit_events
    WHEN OLD.at > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - {DAY_MS}
    BEGIN SELECT RAISE(ABORT, 'records of the audit log stay for a day'); END
    """,
)
_POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION brushwork_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            IF OLD.at <= EXTRACT(EPOCH FROM clock_timestamp()) * 1000 - {DAY_MS} THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'records of the audit log stay for a day';
        END IF;
        RAISE EXCEPTION 'records of the audit log are never changed';
    END $$
    """,
    """
    CREATE TRIGGER audit_events_stay BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION brushwork_audit_stays()
    """,
    """
    CREATE TRIGGER audit_events_stay_all BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION brushwork_audit_stays()
    """,
)


def upgrade() -> None:
    """There are no records of what was done before."""
    connection = op.get_bind()
    # A program that knows only the first addition may have removed the record of later ones.
    if sa.inspect(connection).has_table("audit_events"):
        return
    op.create_table(
        "audit_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("origin", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("tenant", sa.String(64)),
        sa.Column("subjects", JSON, nullable=False),
        sa.Column("outcome", sa.String(64), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_events_at", "audit_events", ["at"])
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        op.execute(statement)


def downgrade() -> None:
    """The records are lost."""
    op.drop_table("audit_events")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION brushwork_audit_stays()")
