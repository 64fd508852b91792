"""The ledger: every change of a job's state, each one guarded UPDATE. No other module changes a job.

A *lease* is a worker's right to run a job until a time by the database's clock. The *fence* is a number
that every claim and every reap raises; a worker writes only with the fence of its claim, so one that lost
its lease changes nothing, however late it wakes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.database import Database, now_ms
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import JobError, Progress, checked_id
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, RESULTS, in_state, last_dispatch

WORKER_LOST = JobError(
    code="worker_lost",
    message="Every worker that ran this job was lost while it ran.",
    fault="machine",
    hint="Look at the workers' logs at the time of its attempts; the job may be what kills them.",
)


@dataclass(frozen=True)
class NewJob:
    """A job about to be written: a complete request, or a refused one with its error."""

    id: str
    kind: str
    model: str
    label: str
    request: dict[str, Any]
    max_attempts: int = 3
    inputs: tuple[Artifact, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A worker's right to one attempt."""

    job_id: str
    kind: str
    model: str
    request: dict[str, Any]
    fence: int
    attempt: int
    queued_s: float


@dataclass(frozen=True)
class Dispatch:
    """What a message to the queue needs to know of a job."""

    job_id: str
    kind: str
    label: str


@dataclass(frozen=True)
class Reaped:
    """What a reap did with the jobs whose lease had run out, by id."""

    queued: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    canceled: tuple[str, ...] = ()


class Signal(Enum):
    """The ledger's answer to a running job."""

    GO_ON = "go on"
    CANCEL = "cancel"
    LOST = "lost"


class Ledger:
    """All transitions of jobs.

    Args:
        database: Where the tables are.
        lease_s: How long a claim or renewal lasts.
    """

    def __init__(self, database: Database, *, lease_s: float = 12.0) -> None:
        self._database = database
        self._lease_ms = round(lease_s * 1000)

    def submit(self, jobs: Sequence[NewJob]) -> set[str]:
        """Write new jobs as queued, all or none, and count them as dispatched now.

        Returns:
            Ids that were new; an id that is there already is left as it is.
        """
        with self._database.writing() as connection:
            return self._insert(connection, jobs, state=JobState.QUEUED, dispatched_at=now_ms())

    def refuse(self, job: NewJob, error: JobError) -> bool:
        """Write a job that can't be run as failed, so that who sent it finds out why.

        Returns:
            Whether the id was new.
        """
        with self._database.writing() as connection:
            return bool(
                self._insert(
                    connection,
                    [job],
                    state=JobState.FAILED,
                    error=literal(error.model_dump(), JOBS.c.error.type),
                    finished_at=now_ms(),
                )
            )

    def claim(self, job_id: str, worker: str) -> Claim | None:
        """Take a queued job for `worker`; None if it is taken, finished or unknown."""
        by = {"job": job_id, "by": worker, "lease_ms": self._lease_ms}
        row = self._database.write(lambda connection: connection.execute(_CLAIM, by).one_or_none())
        if row is None:
            return None
        taken = row._asdict()
        return Claim(queued_s=taken.pop("queued_ms") / 1000, **taken)

    def renew(self, worker: str) -> dict[tuple[str, int], Signal]:
        """Prolong every lease of `worker` in one statement.

        Returns:
            The (job id, fence) pairs it still holds; whatever else it runs is lost.
        """
        statement = (
            update(JOBS)
            .where(JOBS.c.worker == worker, in_state(JobState.RUNNING))
            .values(lease_expires_at=now_ms() + self._lease_ms)
            .returning(JOBS.c.id, JOBS.c.fence, JOBS.c.cancel_requested)
        )
        with self._database.writing() as connection:
            rows = connection.execute(statement).all()
        return {(row.id, row.fence): _signal(row.cancel_requested) for row in rows}

    def complete(
        self,
        job_id: str,
        fence: int,
        result: dict[str, Any],
        outputs: Sequence[Artifact] = (),
        *,
        progress: Progress | None = None,
    ) -> bool:
        """Store the result and end the job, all its steps done, in one transaction.

        Returns:
            Whether the result stands: also True where an earlier call of the same fence was
            committed and only its answer was lost; False where the lease is lost.
        """
        total = None if progress is None else progress.total

        def write(connection: Connection) -> bool:
            if connection.execute(_SUCCEED, {"job": job_id, "held": fence, "total": total}).rowcount:
                connection.execute(_STORE, {"job_id": job_id, "fence": fence, "result": result})
                self._link(connection, [(job_id, artifact, "output") for artifact in outputs])
                return True
            stored = select(RESULTS.c.fence).where(RESULTS.c.job_id == job_id)
            return connection.execute(stored).scalar_one_or_none() == fence

        return self._database.write(write)

    def fail(self, job_id: str, fence: int, error: JobError, *, progress: Progress | None = None) -> bool:
        """End a running job with an error; False where the lease is lost."""
        failed = _end(_held(job_id, fence), JobState.FAILED).values(error=error.model_dump())
        return self._write(failed.values(**_steps(progress)))

    def stop(self, job_id: str, fence: int, *, progress: Progress | None = None) -> bool:
        """End a running job as canceled, by the worker that left it; False where the lease is lost."""
        return self._write(_end(_held(job_id, fence), JobState.CANCELED).values(**_steps(progress)))

    def release(self, job_id: str, fence: int) -> bool:
        """Give a running job back, uncharged, for another worker; False where the lease is lost.

        One that was asked to stop ends as canceled instead: nobody waits for it any more.
        """
        held = _held(job_id, fence)
        current = select(JOBS.c.cancel_requested).where(_holds(job_id, fence)).with_for_update()
        with self._database.writing() as connection:
            withdrawn = connection.execute(current).scalar()
            if withdrawn is None:
                return False
            given_back = _requeue(held).values(attempt=JOBS.c.attempt - 1)
            connection.execute(_end(held, JobState.CANCELED) if withdrawn else given_back)
        return True

    def cancel(self, job_id: str) -> JobState:
        """Withdraw a job: a queued one ends here, a running one is asked to stop.

        Returns:
            The state after the call: canceled; running, until its worker leaves it; or the terminal
            state it had already reached.

        Raises:
            JobNotFound: There is no such job.
        """
        # Locked first: between two guarded updates a reap or release could move the job past both.
        current = select(JOBS.c.state).where(JOBS.c.id == checked_id(job_id)).with_for_update()
        row = update(JOBS).where(JOBS.c.id == job_id)
        with self._database.writing() as connection:
            state = connection.execute(current).scalar()
            if state == JobState.QUEUED:
                connection.execute(_end(row, JobState.CANCELED))
                return JobState.CANCELED
            if state == JobState.RUNNING:
                connection.execute(row.values(cancel_requested=True))
        if state is None:
            raise JobNotFound(f"There is no job {job_id!r}.", field="id")
        return JobState(state)

    def reap(self) -> Reaped:
        """Take back every job whose lease has run out; safe to call from anywhere, any number at once."""
        fate = case(
            (JOBS.c.cancel_requested, JobState.CANCELED.value),
            (JOBS.c.attempt >= JOBS.c.max_attempts, JobState.FAILED.value),
            else_=JobState.QUEUED.value,
        )
        # One look at the clock decides for all. Rows that somebody holds are left to the next reap:
        # to wait for them while holding others is how two reapers would come to a deadlock.
        lost = (
            select(JOBS.c.id, fate.label("fate"))
            .where(in_state(JobState.RUNNING), JOBS.c.lease_expires_at < now_ms())
            .with_for_update(skip_locked=True)
        )
        moves = {
            "canceled": _end(_ROW, JobState.CANCELED),
            "failed": _end(_ROW, JobState.FAILED).values(error=WORKER_LOST.model_dump()),
            "queued": _requeue(_ROW),
        }
        with self._database.writing() as connection:
            found = connection.execute(lost).all()
            fates = {move: tuple(row.id for row in found if row.fate == move) for move in moves}
            for move, statement in moves.items():
                _execute_each(connection, statement, fates[move])
        return Reaped(**fates)

    def dispatch(self, kind: str, limit: int, *, older_than_s: float | None) -> list[Dispatch]:
        """Queued jobs of `kind` to publish again, oldest message first, counted as dispatched now.

        Args:
            kind: Whose queue.
            limit: At most so many.
            older_than_s: Leave out what was dispatched less than so long ago; None takes only jobs that
                were never dispatched, which are always in.
        """
        if limit <= 0:
            return []
        before = 1 if older_than_s is None else now_ms() - round(older_than_s * 1000)
        due = (
            select(JOBS.c.id, JOBS.c.kind, JOBS.c.label)
            .where(JOBS.c.kind == kind, in_state(JobState.QUEUED), last_dispatch < before)
            .order_by(last_dispatch, JOBS.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        with self._database.writing() as connection:
            jobs = [Dispatch(*row) for row in connection.execute(due)]
            _execute_each(connection, _ROW.values(dispatched_at=now_ms()), [job.job_id for job in jobs])
        return jobs

    def undispatch(self, job_ids: Iterable[str]) -> None:
        """Say that these jobs' messages were not sent, so that the next dispatch takes them."""
        statement = _ROW.where(in_state(JobState.QUEUED)).values(dispatched_at=None)
        with self._database.writing() as connection:
            _execute_each(connection, statement, sorted(job_ids))

    def _insert(
        self, connection: Connection, jobs: Sequence[NewJob], state: JobState, **columns: Any
    ) -> set[str]:
        statement = (
            _insert_or_ignore(connection, JOBS)
            .values(state=state, created_at=now_ms(), queued_at=now_ms(), **columns)
            .returning(JOBS.c.id)
        )
        rows = [{name: getattr(job, name) for name in _GIVEN} for job in jobs]
        added = set(connection.execute(statement, rows).scalars()) if rows else set()
        self._link(
            connection,
            [(job.id, artifact, "input") for job in jobs if job.id in added for artifact in job.inputs],
        )
        return added

    def _link(self, connection: Connection, links: Sequence[tuple[str, Artifact, str]]) -> None:
        if not links:
            return
        # In one order everywhere, so that two transactions that share pictures never wait in a circle.
        artifacts = {artifact.sha256: artifact.model_dump() for _, artifact, _ in links}
        connection.execute(
            _insert_or_ignore(connection, ARTIFACTS).values(created_at=now_ms()),
            [artifacts[sha256] for sha256 in sorted(artifacts)],
        )
        connection.execute(
            _insert_or_ignore(connection, JOB_ARTIFACTS),
            [{"job_id": job_id, "sha256": artifact.sha256, "role": role} for job_id, artifact, role in links],
        )

    def _write(self, statement: Update) -> bool:
        return self._database.write(lambda connection: bool(connection.execute(statement).rowcount))


# Columns that a new job brings along; all else starts the same for every job.
_GIVEN = ("id", "kind", "model", "label", "request", "max_attempts")


_ROW = update(JOBS).where(JOBS.c.id == bindparam("job"))


def _execute_each(connection: Connection, statement: Update, job_ids: Sequence[str]) -> None:
    if job_ids:
        connection.execute(statement, [{"job": job_id} for job_id in job_ids])


def _holds(job_id: str, fence: int) -> ColumnElement[bool]:
    return and_(JOBS.c.id == job_id, JOBS.c.fence == fence, in_state(JobState.RUNNING))


def _held(job_id: str, fence: int) -> Update:
    return update(JOBS).where(_holds(job_id, fence))


def _end(statement: Update, state: JobState) -> Update:
    return statement.values(state=state, finished_at=now_ms(), lease_expires_at=None)


def _requeue(statement: Update) -> Update:
    return statement.values(
        state=JobState.QUEUED,
        fence=JOBS.c.fence + 1,
        worker=None,
        lease_expires_at=None,
        dispatched_at=None,
        queued_at=now_ms(),
        progress_step=0,
        progress_total=0,
    )


# The two that every job meets are put together once: to take a statement apart costs as much as to run it.
_CLAIM = (
    _ROW.where(in_state(JobState.QUEUED))
    .values(
        state=JobState.RUNNING,
        fence=JOBS.c.fence + 1,
        attempt=JOBS.c.attempt + 1,
        worker=bindparam("by"),
        started_at=now_ms(),
        lease_expires_at=now_ms() + bindparam("lease_ms", type_=BigInteger()),
        progress_step=0,
        progress_total=0,
    )
    .returning(
        JOBS.c.id.label("job_id"),
        *(JOBS.c.kind, JOBS.c.model, JOBS.c.request, JOBS.c.fence, JOBS.c.attempt),
        (JOBS.c.started_at - JOBS.c.queued_at).label("queued_ms"),
    )
)
_all_steps = func.coalesce(bindparam("total", type_=Integer()), JOBS.c.progress_total)
_SUCCEED = _end(
    _ROW.where(JOBS.c.fence == bindparam("held"), in_state(JobState.RUNNING)), JobState.SUCCEEDED
).values(progress_step=_all_steps, progress_total=_all_steps)
_STORE = insert(RESULTS)


def _steps(progress: Progress | None) -> dict[str, int]:
    """Columns that say how far a job came; none where its last word stands."""
    return {} if progress is None else {"progress_step": progress.step, "progress_total": progress.total}


def _signal(cancel_requested: bool) -> Signal:
    return Signal.CANCEL if cancel_requested else Signal.GO_ON


def _insert_or_ignore(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()
