"""The pieces of statement that move jobs: which row, who may, and where to."""

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
from brushwork_core.database.tables import JOBS, TALLIES, WEBHOOK_EVENTS, in_state
from brushwork_core.database.upsert import insert_or_ignore, upsert
from brushwork_core.ledger.webhook_receiver import receiver_of

ROW = update(JOBS).where(JOBS.c.id == bindparam("job"))
# A job counts as older by so much for each step of priority.
HEAD_START_MS = 3_600_000
STEPS = {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 1, Priority.URGENT: 2}
# The databases have a limit of parameters to a statement.
IDS_A_STATEMENT = 500
# The event of a job's first claim; the others are named as the states that they tell of.
STARTED = "started"


def execute_each(connection: Connection, statement: Update, job_ids: Sequence[str]) -> None:
    """Run a statement on `ROW` for each of these jobs."""
    if job_ids:
        connection.execute(statement, [{"job": job_id} for job_id in job_ids])


def holds(job_id: str, fence: int) -> ColumnElement[bool]:
    """Whether the attempt of this fence is the one that runs."""
    return and_(JOBS.c.id == job_id, JOBS.c.fence == fence, in_state(JobState.RUNNING))


def held(job_id: str, fence: int) -> Update:
    """The job, if that attempt runs."""
    return update(JOBS).where(holds(job_id, fence))


def end(statement: Update, state: JobState) -> Update:
    """To a terminal state."""
    return statement.values(state=state, finished_at=now_ms(), lease_expires_at=None, is_performing=False)


def requeue(statement: Update) -> Update:
    """Back to the queue, out of reach of whoever ran it; it keeps its place among those who wait."""
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
    """Write what is to be told of jobs that have just ended, in the transaction that ended them."""
    comma = literal(",")
    names = comma + JOBS.c.webhook_events + comma
    is_wanted = or_(JOBS.c.webhook_events.is_(None), names.contains(comma + JOBS.c.state + comma))
    for start in range(0, len(job_ids), IDS_A_STATEMENT):
        some = JOBS.c.id.in_(job_ids[start : start + IDS_A_STATEMENT])
        _note(connection, JOBS.c.state, and_(some, is_wanted))


def note_start(connection: Connection, job_id: str) -> None:
    """Write that a job has begun, in the transaction of its claim; of several starts the first is told."""
    _note(connection, literal(STARTED), JOBS.c.id == job_id)


def _note(connection: Connection, name: ColumnElement[str], which: ColumnElement[bool]) -> None:
    columns = ["id", "job_id", "state", "url", "receiver", "created_at", "next_try_at"]
    event_id = JOBS.c.id + literal(":") + name
    whither = (JOBS.c.webhook_url, receiver_of(JOBS.c.webhook_url))
    told = select(event_id, JOBS.c.id, JOBS.c.state, *whither, now_ms(), now_ms())
    told = told.where(which, JOBS.c.webhook_url.is_not(None))
    connection.execute(insert_or_ignore(connection, WEBHOOK_EVENTS).from_select(columns, told))


def add_to_tally(connection: Connection, name: str, number: int) -> None:
    """Count what has just happened, in the transaction in which it happened; nothing costs nothing."""
    if number:
        more = {"number": TALLIES.c.number + number}
        upsert(connection, TALLIES, {"name": name}, {"number": number}, changes=more)


def may_start() -> ColumnElement[bool]:
    """Whether a queued job neither pauses after an attempt that failed nor is overdue."""
    return and_(
        or_(JOBS.c.not_before.is_(None), JOBS.c.not_before <= now_ms()),
        or_(JOBS.c.deadline_at.is_(None), JOBS.c.deadline_at > now_ms()),
    )


def is_overdue() -> ColumnElement[bool]:
    """Whether a job's deadline has passed."""
    return func.coalesce(JOBS.c.deadline_at <= now_ms(), literal(False))
