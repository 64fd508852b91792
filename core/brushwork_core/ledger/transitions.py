"""Parts of the statements that change the state of jobs."""

from collections.abc import Sequence

from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    update,
)

from brushwork_core.database.database import now_ms
from brushwork_core.database.notifications import Topic, notify_leader
from brushwork_core.database.outbox_tables import CELERY_TASKS, WEBHOOK_EVENTS, is_task_open
from brushwork_core.database.tables import JOBS, TALLIES, in_state
from brushwork_core.database.upsert import insert_or_ignore, upsert
from brushwork_core.ledger.webhook_receiver import lane_of

ROW = update(JOBS).where(JOBS.c.id == bindparam("job"))
# A job counts as so much older for each step of priority.
HEAD_START_MS = 3_600_000
STEPS = {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 1, Priority.URGENT: 2}
# Databases limit the parameters of a statement.
IDS_PER_STATEMENT = 500
# The event of a job's first claim. The other events have the names of states.
STARTED = "started"


def execute_each(connection: Connection, statement: Update, job_ids: Sequence[str]) -> None:
    """Run a statement on `ROW` for each job."""
    if job_ids:
        connection.execute(statement, [{"job": job_id} for job_id in job_ids])


def holds(job_id: str, fence: int) -> ColumnElement[bool]:
    """Condition: the job runs, and its current attempt has this fence."""
    return and_(JOBS.c.id == job_id, JOBS.c.fence == fence, in_state(JobState.RUNNING))


def held(job_id: str, fence: int) -> Update:
    """UPDATE of the job, if the attempt with this fence runs."""
    return update(JOBS).where(holds(job_id, fence))


def end(statement: Update, state: JobState) -> Update:
    """Set a terminal state."""
    return statement.values(state=state, finished_at=now_ms(), lease_expires_at=None, is_performing=False)


def requeue(statement: Update) -> Update:
    """Set the state to queued, with a new fence. The job keeps its rank in the backlog."""
    return statement.values(
        state=JobState.QUEUED,
        fence=JOBS.c.fence + 1,
        worker=None,
        lease_expires_at=None,
        is_performing=False,
        dispatched_at=None,
        queued_at=now_ms(),
        progress_step=0,
        progress_total=0,
    )


def note_ends(connection: Connection, job_ids: Sequence[str]) -> None:
    """Write to both outboxes that jobs ended in this transaction."""
    note_webhooks(connection, job_ids)
    note_task_ends(connection, job_ids)
    if job_ids:
        notify_leader(connection, Topic.ENDS)


def note_task_ends(connection: Connection, job_ids: Sequence[str]) -> None:
    """Write that Celery programs are to be told of jobs that ended in this transaction."""
    for start in range(0, len(job_ids), IDS_PER_STATEMENT):
        some = JOBS.c.id.in_(job_ids[start : start + IDS_PER_STATEMENT])
        noted = insert_or_ignore(connection, CELERY_TASKS).from_select(
            ["job_id", "next_try_at"], select(JOBS.c.id, now_ms()).where(some)
        )
        connection.execute(noted)
        known = CELERY_TASKS.c.job_id.in_(job_ids[start : start + IDS_PER_STATEMENT])
        connection.execute(update(CELERY_TASKS).where(known, is_task_open()).values(next_try_at=now_ms()))


def note_webhooks(connection: Connection, job_ids: Sequence[str]) -> None:
    """Write the webhook events of jobs that ended in this transaction."""
    comma = literal(",")
    names = comma + JOBS.c.webhook_events + comma
    is_wanted = or_(JOBS.c.webhook_events.is_(None), names.contains(comma + JOBS.c.state + comma))
    for start in range(0, len(job_ids), IDS_PER_STATEMENT):
        some = JOBS.c.id.in_(job_ids[start : start + IDS_PER_STATEMENT])
        _note(connection, JOBS.c.state, and_(some, is_wanted))


def note_start(connection: Connection, job_id: str) -> None:
    """Write the webhook event of a job that was claimed in this transaction. Only the first claim counts."""
    _note(connection, literal(STARTED), JOBS.c.id == job_id)


def _note(connection: Connection, name: ColumnElement[str], which: ColumnElement[bool]) -> None:
    columns = ["id", "job_id", "state", "url", "receiver", "created_at", "next_try_at"]
    event_id = JOBS.c.id + literal(":") + name
    address = (JOBS.c.webhook_url, lane_of(JOBS.c.webhook_url, JOBS.c.tenant))
    events = select(event_id, JOBS.c.id, JOBS.c.state, *address, now_ms(), now_ms())
    events = events.where(which, JOBS.c.webhook_url.is_not(None))
    connection.execute(insert_or_ignore(connection, WEBHOOK_EVENTS).from_select(columns, events))


def add_to_tally(connection: Connection, name: str, number: int) -> None:
    """Add to a counter, in the transaction of what is counted."""
    if number:
        more = {"number": TALLIES.c.number + number}
        upsert(connection, TALLIES, {"name": name}, {"number": number}, changes=more)


def may_start() -> ColumnElement[bool]:
    """Condition: the pause after a failed attempt is over, and the deadline has not passed."""
    return and_(
        or_(JOBS.c.not_before.is_(None), JOBS.c.not_before <= now_ms()),
        or_(JOBS.c.deadline_at.is_(None), JOBS.c.deadline_at > now_ms()),
    )


def is_overdue() -> ColumnElement[bool]:
    """Condition: the deadline of the job has passed."""
    return func.coalesce(JOBS.c.deadline_at <= now_ms(), literal(False))
