"""The tables of the outboxes: what webhooks and Celery programs are to be told."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    and_,
    text,
)

from brushwork_core.database.tables import METADATA, Json, partial

# Events for webhooks, written by the transaction that starts or ends the job.
WEBHOOK_EVENTS = Table(
    "webhook_events",
    METADATA,
    # Job id and state, or "started": each event is delivered once, also after several starts.
    Column("id", String(96), primary_key=True),
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("state", String(16), nullable=False),
    Column("url", String(2000), nullable=False),
    # Scheme, host and port of the address, a space, and the tenant. Each such lane gets one event after the
    # other.
    Column("receiver", String(2000), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    # Null once the event is delivered or dead. While a sender has it, when another sender may take it.
    Column("next_try_at", BigInteger),
    # Increased when a sender takes the event. Results of earlier senders are ignored.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("delivered_at", BigInteger),
    Column("dead", Boolean, nullable=False, server_default=text("false")),
    Column("last_status", Integer),
    Column("last_error", String(500)),
)


def is_open() -> ColumnElement[bool]:
    """Condition: the event is neither delivered nor dead. Written as in the index of open events."""
    return WEBHOOK_EVENTS.c.next_try_at.is_not(None)


Index(
    "ix_webhook_events_open",
    WEBHOOK_EVENTS.c.receiver,
    WEBHOOK_EVENTS.c.next_try_at,
    WEBHOOK_EVENTS.c.id,
    **partial(is_open()),
)


def is_dead() -> ColumnElement[bool]:
    """Condition: the event is dead. Written as in the index of dead events."""
    return WEBHOOK_EVENTS.c.dead


Index("ix_webhook_events_dead", WEBHOOK_EVENTS.c.created_at, WEBHOOK_EVENTS.c.id, **partial(is_dead()))

# What Celery programs are to be told. One row for each job that came as a bare message, and
# for each other job that ended while no worker ran it.
CELERY_TASKS = Table(
    "celery_tasks",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    # Callbacks and relations of the message. Null for a job of a client.
    Column("message", Json),
    # Null until the job has ended, and once all is sent. While a sender has it, when another may take it.
    Column("next_try_at", BigInteger),
    # Increased when a sender takes it. Results of earlier senders are ignored.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("sent_at", BigInteger),
)


def is_task_end_due() -> ColumnElement[bool]:
    """Condition: the job has ended and its callbacks are not sent. Written as in the index of due ends."""
    return CELERY_TASKS.c.next_try_at.is_not(None)


def is_task_open() -> ColumnElement[bool]:
    """Condition: no end of the job is noted. Written as in the index of open tasks."""
    return and_(CELERY_TASKS.c.next_try_at.is_(None), CELERY_TASKS.c.sent_at.is_(None))


Index("ix_celery_tasks_due", CELERY_TASKS.c.next_try_at, CELERY_TASKS.c.job_id, **partial(is_task_end_due()))
Index("ix_celery_tasks_open", CELERY_TASKS.c.job_id, **partial(is_task_open()))

# Tasks of foreign programs that never run if the job before them in their chain does not succeed.
CELERY_CHAINED = Table(
    "celery_chained",
    METADATA,
    Column("task_id", String(255), primary_key=True),
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
)
