"""The tables. Times are milliseconds since 1970 by the database's clock: no two hosts' clocks ever meet."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from brushwork_schemas.states import JobState

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("label", String(200), nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", Json, nullable=False),
    Column("error", Json),
    # Raised by every claim and every reap: whoever writes with an older one is refused.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("worker", String(200)),
    Column("lease_expires_at", BigInteger),
    Column("progress_step", Integer, nullable=False, server_default="0"),
    Column("progress_total", Integer, nullable=False, server_default="0"),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", BigInteger, nullable=False),
    # When the last wait in the queue began: creation, or the return to the queue.
    Column("queued_at", BigInteger, nullable=False),
    Column("dispatched_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
)
# When a job's message was last sent, 0 for never: in this order queued jobs are dispatched.
last_dispatch = func.coalesce(JOBS.c.dispatched_at, literal_column("0"))


def in_state(state: JobState) -> ColumnElement[bool]:
    """Whether a job is in `state`: written out, not bound, for SQLite to see that a partial index serves."""
    return JOBS.c.state == literal_column(f"'{state.value}'", String())


# Partial, so that a million finished jobs cost the workers nothing.
Index(
    "ix_jobs_waiting",
    JOBS.c.kind,
    last_dispatch,
    JOBS.c.id,
    sqlite_where=JOBS.c.state == "queued",
    postgresql_where=JOBS.c.state == "queued",
)
Index(
    "ix_jobs_leased",
    JOBS.c.worker,
    JOBS.c.lease_expires_at,
    sqlite_where=JOBS.c.state == "running",
    postgresql_where=JOBS.c.state == "running",
)
Index("ix_jobs_newest", JOBS.c.created_at, JOBS.c.id)
Index("ix_jobs_newest_of_kind", JOBS.c.kind, JOBS.c.created_at, JOBS.c.id)
Index("ix_jobs_newest_of_state", JOBS.c.state, JOBS.c.created_at, JOBS.c.id)

RESULTS = Table(
    "results",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("result", Json, nullable=False),
)

# One row for each job that somebody looks at while it runs; most jobs never have one.
PREVIEWS = Table(
    "previews",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
    # Of the attempt that made the picture; null until there is one, as are the rest.
    Column("fence", BigInteger),
    Column("jpeg", LargeBinary),
    Column("step", Integer),
    Column("total", Integer),
)

ARTIFACTS = Table(
    "artifacts",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("media_type", String(100), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

JOB_ARTIFACTS = Table(
    "job_artifacts",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", String(64), ForeignKey("artifacts.sha256"), primary_key=True, index=True),
    Column("role", String(8), primary_key=True),
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("kinds", Json, nullable=False),
    Column("models", Json, nullable=False),
    Column("device", String(100), nullable=False),
    Column("ready", Boolean, nullable=False),
    Column("batching", Json, nullable=False, server_default="{}"),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)
