"""The tables. Times are milliseconds since 1970, by the clock of the database, not of the hosts."""

from typing import Any

from brushwork_schemas.states import JobState
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    and_,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

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
    # Error of the previous attempt, while the job has attempts left.
    Column("last_error", Json),
    # Increased by each claim and each reap. A write with an older fence changes nothing.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("worker", String(200)),
    Column("lease_expires_at", BigInteger),
    Column("progress_step", Integer, nullable=False, server_default="0"),
    Column("progress_total", Integer, nullable=False, server_default="0"),
    Column("tenant", String(64), nullable=False, server_default=""),
    Column("priority", String(8), nullable=False, server_default="normal"),
    # Order of dispatch among the jobs of a tenant and kind: a time, earlier for a higher priority.
    Column("rank", BigInteger, nullable=False, server_default="0"),
    Column("not_before", BigInteger),
    Column("deadline_at", BigInteger),
    # A worker that failed with the job, and until when only others may claim it.
    Column("avoid_worker", String(200)),
    Column("avoid_until", BigInteger),
    # Set while a job must run alone: the worker that died while it ran beside others, or its own error.
    Column("suspicion", String(200)),
    # Whether the job really runs, and does not wait for its model or to be alone. Only then can it kill a
    # worker.
    Column("is_performing", Boolean, nullable=False, server_default=text("false")),
    Column("idempotency_key", String(255)),
    Column("request_sha256", String(64)),
    Column("webhook_url", String(2000)),
    # Names of events, separated by commas; null for every terminal state.
    Column("webhook_events", String(200)),
    # Name of the caller for jobs that belong together.
    Column("job_group", String(64)),
    # The job whose request this one repeats.
    Column("retry_of", String(64)),
    # Seconds after its end for which the job is kept at most.
    Column("retention_s", Float),
    # W3C Trace Context of the call that submitted the job.
    Column("traceparent", String(55)),
    # Celery's id of the message that the job came as; null for a job of one of our clients.
    Column("task_id", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", BigInteger, nullable=False),
    # When the job was last queued: its creation, or its return to the queue.
    Column("queued_at", BigInteger, nullable=False),
    Column("dispatched_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
)


def in_state(state: JobState) -> ColumnElement[bool]:
    """Condition: the job is in `state`. A literal, not a parameter, so that SQLite uses partial indexes."""
    return JOBS.c.state == literal_column(f"'{state.value}'", String())


def waits_for_dispatch() -> ColumnElement[bool]:
    """Condition: the job is queued and has no message. Written as in the index of the backlog."""
    return and_(in_state(JobState.QUEUED), JOBS.c.dispatched_at.is_(None))


def is_dispatched() -> ColumnElement[bool]:
    """Condition: the job is queued and should have a message. Written as in the index of messages."""
    return and_(in_state(JobState.QUEUED), JOBS.c.dispatched_at.is_not(None))


def partial(condition: ColumnElement[bool]) -> dict[str, Any]:
    """Options of a partial index, so that ended jobs cost the workers nothing."""
    return {"sqlite_where": condition, "postgresql_where": condition}


Index("ix_jobs_backlog", JOBS.c.kind, JOBS.c.tenant, JOBS.c.rank, JOBS.c.id, **partial(waits_for_dispatch()))
Index("ix_jobs_dispatched", JOBS.c.kind, JOBS.c.dispatched_at, JOBS.c.id, **partial(is_dispatched()))
Index(
    "ix_jobs_deadline",
    JOBS.c.deadline_at,
    **partial(and_(in_state(JobState.QUEUED), JOBS.c.deadline_at.is_not(None))),
)
Index("ix_jobs_suspects", JOBS.c.suspicion, **partial(JOBS.c.suspicion.is_not(None)))
Index(
    "ix_jobs_idempotency",
    JOBS.c.tenant,
    JOBS.c.idempotency_key,
    unique=True,
    **partial(JOBS.c.idempotency_key.is_not(None)),
)
Index("ix_jobs_leased", JOBS.c.worker, JOBS.c.lease_expires_at, **partial(in_state(JobState.RUNNING)))
Index("ix_jobs_newest", JOBS.c.created_at, JOBS.c.id)
Index("ix_jobs_newest_of_kind", JOBS.c.kind, JOBS.c.created_at, JOBS.c.id)
Index("ix_jobs_newest_of_state", JOBS.c.state, JOBS.c.created_at, JOBS.c.id)

Index("ix_jobs_newest_of_tenant", JOBS.c.tenant, JOBS.c.created_at, JOBS.c.id)
Index(
    "ix_jobs_newest_of_group",
    JOBS.c.job_group,
    JOBS.c.created_at,
    JOBS.c.id,
    **partial(JOBS.c.job_group.is_not(None)),
)
Index("ix_jobs_retention", JOBS.c.finished_at, **partial(JOBS.c.retention_s.is_not(None)))

RESULTS = Table(
    "results",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("result", Json, nullable=False),
)

# One row for each running job whose previews are watched. Most jobs have none.
PREVIEWS = Table(
    "previews",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("asked_at", BigInteger, nullable=False),
    # Fence of the attempt that made the preview. Null until there is one, like the following columns.
    Column("fence", BigInteger),
    Column("jpeg", LargeBinary),
    Column("step", Integer),
    Column("total", Integer),
)

# Checkpoints. The names are those of the first kind that saved them: a curve is a summary, any JSON value.
TRAININGS = Table(
    "trainings",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    # Fence of the attempt that wrote it.
    Column("fence", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("curve", Json, nullable=False),
    # Name of the file, which is linked to the job as "resume" until the job has ended.
    Column("checkpoint", String(64)),
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
    # Its process, so that others on the same machine can check whether it is running.
    Column("host", String(128), nullable=False, server_default=""),
    Column("pid", Integer, nullable=False, server_default="0"),
    Column("pid_started_at", Float, nullable=False, server_default="0"),
    Column("ready", Boolean, nullable=False),
    Column("batching", Json, nullable=False, server_default="{}"),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    # Milliseconds until its next heartbeat. Null for workers of older versions, and while models are loaded.
    Column("beat_ms", BigInteger),
)

# One row: the worker that maintains the ledger for all, and until when. Nothing else depends on it: if two
# workers maintain the ledger at once, they only do the work twice.
MAINTENANCE_LEASES = Table(
    "maintenance_leases",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

# API keys and their rights. Only the hash of a key is stored.
API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("scopes", Json, nullable=False),
    # Null for no limit.
    Column("requests_per_minute", Integer),
    Column("daily_budget", Float),
    Column("max_open_jobs", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    # Bytes of the files of the tenant. Null for no limit.
    Column("max_stored_bytes", BigInteger),
)

KEY_USAGE = Table(
    "key_usage",
    METADATA,
    Column("key_id", String(16), ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True),
    # Days since 1970, UTC.
    Column("day", Integer, primary_key=True),
    Column("num_jobs", Integer, nullable=False),
    Column("cost", Float, nullable=False),
)

# Files that a tenant has uploaded. It may also read the files of its jobs, which are not listed here.
TENANT_FILES = Table(
    "tenant_files",
    METADATA,
    Column("tenant", String(64), primary_key=True),
    Column("sha256", String(64), ForeignKey("artifacts.sha256"), primary_key=True, index=True),
    Column("created_at", BigInteger, nullable=False),
)

# The credentials that a picture had when a tenant handed it in. Their file has the same owners.
PICTURE_CREDENTIALS = Table(
    "picture_credentials",
    METADATA,
    Column("tenant", String(64), primary_key=True),
    Column(
        "picture",
        String(64),
        ForeignKey("artifacts.sha256", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
    Column(
        "credentials",
        String(64),
        ForeignKey("artifacts.sha256", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
)

# Metrics of each process, which /metrics returns together. A successor of a process takes over its row.
TELEMETRY = Table(
    "telemetry",
    METADATA,
    Column("process", String(200), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("samples", Text, nullable=False),
    # The process that writes the row. Null once it has ended, and for processes of older versions.
    Column("owner", String(200)),
)

# Counters of rare events over all processes, which no single process lives long enough to count.
TALLIES = Table(
    "tallies",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# The audit log. Triggers refuse changes, and the deletion of records of the last day: addition 0005.
AUDIT_EVENTS = Table(
    "audit_events",
    METADATA,
    # SQLite counts only its own integer type up, and with this option no number is used again.
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(128), nullable=False),
    Column("origin", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("tenant", String(64)),
    Column("subjects", Json, nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("detail", Json, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_audit_events_at", AUDIT_EVENTS.c.at)
