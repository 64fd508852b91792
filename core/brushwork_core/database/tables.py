"""The tables. Times are milliseconds since 1970 by the database's clock: no two hosts' clocks ever meet."""

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
    # Why the attempt before failed or was lost, while the job still has another.
    Column("last_error", Json),
    # Raised by every claim and every reap: whoever writes with an older one is refused.
    Column("fence", BigInteger, nullable=False, server_default="0"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("worker", String(200)),
    Column("lease_expires_at", BigInteger),
    Column("progress_step", Integer, nullable=False, server_default="0"),
    Column("progress_total", Integer, nullable=False, server_default="0"),
    Column("tenant", String(64), nullable=False, server_default=""),
    Column("priority", String(8), nullable=False, server_default="normal"),
    # In this order the jobs of a tenant and kind are dispatched: a time, earlier for the urgent.
    Column("rank", BigInteger, nullable=False, server_default="0"),
    Column("not_before", BigInteger),
    Column("deadline_at", BigInteger),
    # A worker that failed with it, and until when others have the first try.
    Column("avoid_worker", String(200)),
    Column("avoid_until", BigInteger),
    # Set while a job is to run alone: the worker that died while it ran beside others, or "memory".
    Column("suspicion", String(200)),
    # Whether it really runs, and does not only wait until it is alone: only such a job can kill a worker.
    Column("is_performing", Boolean, nullable=False, server_default=text("false")),
    Column("idempotency_key", String(255)),
    Column("request_sha256", String(64)),
    Column("webhook_url", String(2000)),
    # Names of events, with commas between; null is every end.
    Column("webhook_events", String(200)),
    # The caller's own name for jobs that belong together.
    Column("job_group", String(64)),
    # The job whose request this one repeats.
    Column("retry_of", String(64)),
    # How long after its end the job is kept at most.
    Column("retention_s", Float),
    # W3C Trace Context of the call that brought it.
    Column("traceparent", String(55)),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", BigInteger, nullable=False),
    # When the last wait in the queue began: creation, or the return to the queue.
    Column("queued_at", BigInteger, nullable=False),
    Column("dispatched_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
)


def in_state(state: JobState) -> ColumnElement[bool]:
    """Whether a job is in `state`: written out, not bound, for SQLite to see that a partial index serves."""
    return JOBS.c.state == literal_column(f"'{state.value}'", String())


def waits_for_dispatch() -> ColumnElement[bool]:
    """Whether a queued job has no message, as the index of the backlog has it."""
    return and_(in_state(JobState.QUEUED), JOBS.c.dispatched_at.is_(None))


def is_dispatched() -> ColumnElement[bool]:
    """Whether a queued job should have a message, as the index of messages has it."""
    return and_(in_state(JobState.QUEUED), JOBS.c.dispatched_at.is_not(None))


def _partial(condition: ColumnElement[bool]) -> dict[str, Any]:
    """So that a million finished jobs cost the workers nothing."""
    return {"sqlite_where": condition, "postgresql_where": condition}


Index("ix_jobs_backlog", JOBS.c.kind, JOBS.c.tenant, JOBS.c.rank, JOBS.c.id, **_partial(waits_for_dispatch()))
Index("ix_jobs_dispatched", JOBS.c.kind, JOBS.c.dispatched_at, JOBS.c.id, **_partial(is_dispatched()))
Index(
    "ix_jobs_deadline",
    JOBS.c.deadline_at,
    **_partial(and_(in_state(JobState.QUEUED), JOBS.c.deadline_at.is_not(None))),
)
Index("ix_jobs_suspects", JOBS.c.suspicion, **_partial(JOBS.c.suspicion.is_not(None)))
Index(
    "ix_jobs_idempotency",
    JOBS.c.tenant,
    JOBS.c.idempotency_key,
    unique=True,
    **_partial(JOBS.c.idempotency_key.is_not(None)),
)
Index("ix_jobs_leased", JOBS.c.worker, JOBS.c.lease_expires_at, **_partial(in_state(JobState.RUNNING)))
Index("ix_jobs_newest", JOBS.c.created_at, JOBS.c.id)
Index("ix_jobs_newest_of_kind", JOBS.c.kind, JOBS.c.created_at, JOBS.c.id)
Index("ix_jobs_newest_of_state", JOBS.c.state, JOBS.c.created_at, JOBS.c.id)

Index("ix_jobs_newest_of_tenant", JOBS.c.tenant, JOBS.c.created_at, JOBS.c.id)
Index(
    "ix_jobs_newest_of_group",
    JOBS.c.job_group,
    JOBS.c.created_at,
    JOBS.c.id,
    **_partial(JOBS.c.job_group.is_not(None)),
)
Index("ix_jobs_retention", JOBS.c.finished_at, **_partial(JOBS.c.retention_s.is_not(None)))

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

# How far each training is: what its next attempt goes on from, and its curves so far.
TRAININGS = Table(
    "trainings",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    # Of the attempt that wrote it.
    Column("fence", BigInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("curve", Json, nullable=False),
    # An artifact; linked to the job as "resume" while it may be needed.
    Column("checkpoint", String(64)),
)

# The outbox: what is to be told of jobs that have ended, written by the transaction that ended them.
WEBHOOK_EVENTS = Table(
    "webhook_events",
    METADATA,
    # Of the job and the state, or "started": one ending is told once, and the first start.
    Column("id", String(96), primary_key=True),
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("url", String(2000), nullable=False),
    # Scheme, host and port of the address: to each of them, events go one after the other.
    Column("receiver", String(2000), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    # Null once it is settled: delivered, or dead. While it is on its way, when another may try.
    Column("next_try_at", BigInteger),
    # Raised whenever a sender takes it: who took it earlier has no say any more.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("delivered_at", BigInteger),
    Column("dead", Boolean, nullable=False, server_default=text("false")),
    Column("last_status", Integer),
    Column("last_error", String(500)),
)


def is_open() -> ColumnElement[bool]:
    """Whether an event is neither delivered nor dead, as the index of open events has it."""
    return WEBHOOK_EVENTS.c.next_try_at.is_not(None)


Index(
    "ix_webhook_events_open",
    WEBHOOK_EVENTS.c.receiver,
    WEBHOOK_EVENTS.c.next_try_at,
    WEBHOOK_EVENTS.c.id,
    **_partial(is_open()),
)


def is_dead() -> ColumnElement[bool]:
    """Whether nobody will try an event again, as the index of dead events has it."""
    return WEBHOOK_EVENTS.c.dead


Index("ix_webhook_events_dead", WEBHOOK_EVENTS.c.created_at, WEBHOOK_EVENTS.c.id, **_partial(is_dead()))

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
    # Where its process is to be found, for others on its machine to see whether it lives.
    Column("host", String(128), nullable=False, server_default=""),
    Column("pid", Integer, nullable=False, server_default="0"),
    Column("pid_started_at", Float, nullable=False, server_default="0"),
    Column("ready", Boolean, nullable=False),
    Column("batching", Json, nullable=False, server_default="{}"),
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

# Who may come in by HTTP, and what each may do. A key itself is nowhere: only its hash.
API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("id", String(16), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("scopes", Json, nullable=False),
    # Null is without bound.
    Column("requests_per_minute", Integer),
    Column("daily_budget", Float),
    Column("max_open_jobs", Integer),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
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

# Files that a tenant has brought; those of its jobs it may see anyway.
TENANT_FILES = Table(
    "tenant_files",
    METADATA,
    Column("tenant", String(64), primary_key=True),
    Column("sha256", String(64), ForeignKey("artifacts.sha256"), primary_key=True, index=True),
    Column("created_at", BigInteger, nullable=False),
)

# What each process has counted since it began, for /metrics to show together.
TELEMETRY = Table(
    "telemetry",
    METADATA,
    Column("process", String(200), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("samples", Text, nullable=False),
)

# How often something rare has happened, whoever did it: no process lives long enough to count it.
TALLIES = Table(
    "tallies",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
)
