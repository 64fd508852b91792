"""Reads jobs: by id, or as a list with a filter, the newest first."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from brushwork_schemas.cursor import Cursor
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import Job, Progress, checked_id
from brushwork_schemas.job_filter import EVERYTHING, MOST_SEARCHED, JobFilter
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import ColumnElement, Connection, Executable, bindparam, func, or_, select, tuple_

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, RESULTS, TRAININGS, in_state
from brushwork_core.ledger.job_row import job_of
from brushwork_core.queries.reviews import reviews_of
from brushwork_core.timing.timestamps import milliseconds_of

# Inside the class, `list` is the method.
Jobs = list[Job]
IDS_A_QUERY = 500
SEARCHED_FIRST = 1000


@dataclass(frozen=True)
class JobStatus:
    """The part of a job that changes while it is watched.

    Args:
        state: State of the job.
        progress: Steps done.
        attempt: Number of the attempt.
        fence: Fence of the claim, which differs for each attempt.
    """

    state: JobState
    progress: Progress
    attempt: int
    fence: int


@dataclass(frozen=True)
class RunningCount:
    """The number of running jobs of one kind in one worker."""

    worker: str
    kind: str
    num_jobs: int


class JobIndex:
    """Reads jobs. It changes nothing.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: str) -> Job:
        """Return a job, with its result if it has one.

        Raises:
            JobNotFound: No job has this id.
        """
        return self.with_row(job_id)[0]

    def with_row(self, job_id: str, more: tuple[ColumnElement[Any], ...] = ()) -> tuple[Job, Any]:
        """Return a job, with its result if it has one, and its row.

        Args:
            job_id: Id of the job.
            more: Further columns of the row.

        Raises:
            JobNotFound: No job has this id.
        """
        values = {"job": checked_id(job_id)}
        with self._database.reading() as connection:
            row = connection.execute(_one(more), values).one_or_none()
            # Only jobs that train have a curve. The other jobs must not cost a second query.
            trains = row is not None and _trains(row.kind)
            summary = connection.execute(_SUMMARY, values).scalar_one_or_none() if trains else None
            reviews = reviews_of(connection, [row._mapping] if row else ())
        if row is None:
            raise JobNotFound(said("There is no job {job_id!r}.", job_id=job_id), field="id")
        return job_of(row._mapping, summary, reviews.get(row.id)), row

    def get_many(self, job_ids: Sequence[str]) -> Jobs:
        """Return the jobs of these ids, in their order. Unknown ids are left out."""
        found: dict[str, Job] = {}
        with self._database.reading() as connection:
            for start in range(0, len(job_ids), IDS_A_QUERY):
                wanted = JOBS.c.id.in_(job_ids[start : start + IDS_A_QUERY])
                found |= {job.id: job for job in _jobs(connection, _WITH_RESULT.where(wanted))}
        return [found[job_id] for job_id in job_ids if job_id in found]

    def ids_of_keys(self, tenant: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the ids of the jobs with these idempotency keys of a tenant, by key."""
        statement = select(JOBS.c.idempotency_key, JOBS.c.id).where(
            JOBS.c.tenant == tenant, JOBS.c.idempotency_key.in_(keys)
        )
        with self._database.reading() as connection:
            return {row.idempotency_key: row.id for row in connection.execute(statement)}

    def state(self, job_id: str) -> tuple[JobState, Progress]:
        """Return only state and progress of a job. Waiting clients call this often.

        Raises:
            JobNotFound: No job has this id.
        """
        values = {"job": checked_id(job_id)}
        with self._database.reading() as connection:
            row = connection.execute(_STATE, values).one_or_none()
        if row is None:
            raise JobNotFound(said("There is no job {job_id!r}.", job_id=job_id), field="id")
        return JobState(row.state), Progress(step=row.progress_step, total=row.progress_total)

    def states(self, job_ids: Collection[str]) -> dict[str, JobStatus]:
        """Return the status of several jobs by id, with one query for up to 500 of them."""
        found: dict[str, JobStatus] = {}
        ids = list(job_ids)
        with self._database.reading() as connection:
            for start in range(0, len(ids), IDS_A_QUERY):
                rows = connection.execute(_STATUS.where(JOBS.c.id.in_(ids[start : start + IDS_A_QUERY])))
                found |= {row.id: _status(row) for row in rows}
        return found

    def list(
        self, wanted: JobFilter = EVERYTHING, *, limit: int = 50, before: Job | Cursor | None = None
    ) -> Jobs:
        """Return jobs, the newest first.

        Args:
            wanted: Conditions on the jobs.
            limit: Maximum number of jobs.
            before: Only jobs older than this one. The last job of a list gives the next page.
        """
        conditions = list(_conditions(wanted))
        if before is not None:
            mark = (milliseconds_of(before.created_at), before.id)
            conditions.append(tuple_(JOBS.c.created_at, JOBS.c.id) < tuple_(*mark))
        if not wanted.text:
            return self._newest(conditions, limit)
        # No index has the words of requests, so the newest jobs that meet the other conditions are scanned.
        # Usually the first 1,000 of them contain enough matches.
        for most in (SEARCHED_FIRST, MOST_SEARCHED):
            newest = select(JOBS.c.id).where(*conditions).order_by(*_NEWEST).limit(most).subquery()
            found = self._newest([JOBS.c.id.in_(newest.select()), _mentions(wanted.text)], limit)
            if len(found) == limit:
                break
        return found

    def running(self) -> Sequence[RunningCount]:
        """Return the number of running jobs by worker and kind."""
        with self._database.reading() as connection:
            return [RunningCount(row.worker, row.kind, row.num_jobs) for row in connection.execute(_RUNNING)]

    def _newest(self, conditions: Sequence[ColumnElement[bool]], limit: int) -> Jobs:
        statement = _WITH_RESULT.where(*conditions).order_by(*_NEWEST).limit(limit)
        with self._database.reading() as connection:
            return _jobs(connection, statement)


def _jobs(connection: Connection, statement: Executable) -> Jobs:
    rows = connection.execute(statement).mappings().all()
    reviews = reviews_of(connection, rows)
    return [job_of(row, None, reviews.get(row["id"])) for row in rows]


@cache
def _one(more: tuple[ColumnElement[Any], ...]) -> Executable:
    # The most frequent query is built once: to build a statement costs as much as to run it.
    return _WITH_RESULT.add_columns(*more).where(_IS_IT)


def _trains(kind: str) -> bool:
    known = all_kinds().get(kind)
    return known is not None and known.trains is not None


def _conditions(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    columns = {"kind": JOBS.c.kind, "model": JOBS.c.model, "tenant": JOBS.c.tenant, "group": JOBS.c.job_group}
    for name, column in columns.items():
        if (value := getattr(wanted, name)) is not None:
            yield column == value
    if wanted.state is not None:
        yield JOBS.c.state == wanted.state
    if wanted.created_after is not None:
        yield JOBS.c.created_at > milliseconds_of(wanted.created_after)
    if wanted.created_before is not None:
        yield JOBS.c.created_at < milliseconds_of(wanted.created_before)


def _mentions(text: str) -> ColumnElement[bool]:
    prompt, caption = JOBS.c.request["prompt"].as_string(), RESULTS.c.result["generated_text"].as_string()
    searched = (prompt, caption, JOBS.c.label, JOBS.c.id)
    return or_(*(column.icontains(text, autoescape=True) for column in searched))


def _status(row: Any) -> JobStatus:
    return JobStatus(
        state=JobState(row.state),
        progress=Progress(step=row.progress_step, total=row.progress_total),
        attempt=row.attempt,
        fence=row.fence,
    )


_STATUS = select(
    *(JOBS.c.id, JOBS.c.state, JOBS.c.progress_step, JOBS.c.progress_total, JOBS.c.attempt, JOBS.c.fence)
)
_RUNNING = (
    select(JOBS.c.worker, JOBS.c.kind, func.count().label("num_jobs"))
    .where(in_state(JobState.RUNNING), JOBS.c.worker.is_not(None))
    .group_by(JOBS.c.worker, JOBS.c.kind)
)
_NEWEST = (JOBS.c.created_at.desc(), JOBS.c.id.desc())
_WITH_RESULT = select(JOBS, RESULTS.c.result).outerjoin(RESULTS, RESULTS.c.job_id == JOBS.c.id)
_IS_IT = JOBS.c.id == bindparam("job")
_SUMMARY = select(TRAININGS.c.curve).where(TRAININGS.c.job_id == bindparam("job"))
_STATE = select(JOBS.c.state, JOBS.c.progress_step, JOBS.c.progress_total).where(_IS_IT)
