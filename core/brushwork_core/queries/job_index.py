"""Finds jobs again: by id, or newest first by what is known of them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.cursor import Cursor
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import Job, Progress, checked_id
from brushwork_schemas.job_filter import EVERYTHING, MOST_SEARCHED, JobFilter
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState
from sqlalchemy import ColumnElement, bindparam, func, or_, select, tuple_

from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, RESULTS, TRAININGS, in_state
from brushwork_core.ledger.job_row import job_of
from brushwork_core.timing.timestamps import milliseconds_of

# Inside the class, `list` is the method.
Jobs = list[Job]
IDS_A_QUERY = 500
SEARCHED_FIRST = 1000


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands: what changes while it is watched. `fence` tells two attempts apart."""

    state: JobState
    progress: Progress
    attempt: int
    fence: int


@dataclass(frozen=True)
class RunningCount:
    """How many jobs of a kind a worker runs."""

    worker: str
    kind: str
    num_jobs: int


class JobIndex:
    """Reads jobs; changes nothing.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, job_id: str) -> Job:
        """The job of that id, with its result if it has one.

        Raises:
            JobNotFound: There is none.
        """
        by = {"job": checked_id(job_id)}
        with self._database.reading() as connection:
            row = connection.execute(_ONE, by).mappings().one_or_none()
            # Few are trainings, and all others are to cost nothing more.
            trains = row is not None and _trains(row["kind"])
            curve = connection.execute(_CURVE, by).scalar_one_or_none() if trains else None
        if row is None:
            raise JobNotFound(f"There is no job {job_id!r}.", field="id")
        return job_of(row, curve or ())

    def get_many(self, job_ids: Sequence[str]) -> Jobs:
        """The jobs of these ids, in their order; ids that are not there are left out."""
        found: dict[str, Job] = {}
        with self._database.reading() as connection:
            for start in range(0, len(job_ids), IDS_A_QUERY):
                wanted = JOBS.c.id.in_(job_ids[start : start + IDS_A_QUERY])
                rows = connection.execute(_WITH_RESULT.where(wanted)).mappings()
                found |= {row["id"]: job_of(row) for row in rows}
        return [found[job_id] for job_id in job_ids if job_id in found]

    def ids_of_keys(self, tenant: str, keys: Sequence[str]) -> dict[str, str]:
        """The jobs that these idempotency keys of a tenant stand for, by key."""
        statement = select(JOBS.c.idempotency_key, JOBS.c.id).where(
            JOBS.c.tenant == tenant, JOBS.c.idempotency_key.in_(keys)
        )
        with self._database.reading() as connection:
            return {row.idempotency_key: row.id for row in connection.execute(statement)}

    def state(self, job_id: str) -> tuple[JobState, Progress]:
        """Only where a job stands: what a waiting client asks again and again.

        Raises:
            JobNotFound: There is no such job.
        """
        by = {"job": checked_id(job_id)}
        with self._database.reading() as connection:
            row = connection.execute(_STATE, by).one_or_none()
        if row is None:
            raise JobNotFound(f"There is no job {job_id!r}.", field="id")
        return JobState(row.state), Progress(step=row.progress_step, total=row.progress_total)

    def states(self, job_ids: Collection[str]) -> dict[str, JobStatus]:
        """Where several jobs stand, by id: one question for all that are watched."""
        found: dict[str, JobStatus] = {}
        ids = list(job_ids)
        with self._database.reading() as connection:
            for start in range(0, len(ids), IDS_A_QUERY):
                rows = connection.execute(_STANDING.where(JOBS.c.id.in_(ids[start : start + IDS_A_QUERY])))
                found |= {row.id: _standing(row) for row in rows}
        return found

    def list(
        self, wanted: JobFilter = EVERYTHING, *, limit: int = 50, before: Job | Cursor | None = None
    ) -> Jobs:
        """Jobs, newest first.

        Args:
            wanted: Which ones.
            limit: At most so many.
            before: Only those older than this one: the last of a list gives the next page.
        """
        conditions = list(_conditions(wanted))
        if before is not None:
            mark = (milliseconds_of(before.created_at), before.id)
            conditions.append(tuple_(JOBS.c.created_at, JOBS.c.id) < tuple_(*mark))
        if not wanted.text:
            return self._newest(conditions, limit)
        # No index knows words, so only the newest of those that fit otherwise are read through; mostly
        # the first few of them hold what is looked for.
        for most in (SEARCHED_FIRST, MOST_SEARCHED):
            lately = select(JOBS.c.id).where(*conditions).order_by(*_NEWEST).limit(most).subquery()
            found = self._newest([JOBS.c.id.in_(lately.select()), _mentions(wanted.text)], limit)
            if len(found) == limit:
                break
        return found

    def running(self) -> Sequence[RunningCount]:
        """How many jobs run, by worker and kind."""
        with self._database.reading() as connection:
            return [RunningCount(row.worker, row.kind, row.num_jobs) for row in connection.execute(_RUNNING)]

    def _newest(self, conditions: Sequence[ColumnElement[bool]], limit: int) -> Jobs:
        statement = _WITH_RESULT.where(*conditions).order_by(*_NEWEST).limit(limit)
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(statement).mappings()]


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
    places = (prompt, caption, JOBS.c.label, JOBS.c.id)
    return or_(*(place.icontains(text, autoescape=True) for place in places))


def _standing(row: Any) -> JobStatus:
    return JobStatus(
        state=JobState(row.state),
        progress=Progress(step=row.progress_step, total=row.progress_total),
        attempt=row.attempt,
        fence=row.fence,
    )


_STANDING = select(
    *(JOBS.c.id, JOBS.c.state, JOBS.c.progress_step, JOBS.c.progress_total, JOBS.c.attempt, JOBS.c.fence)
)
_RUNNING = (
    select(JOBS.c.worker, JOBS.c.kind, func.count().label("num_jobs"))
    .where(in_state(JobState.RUNNING), JOBS.c.worker.is_not(None))
    .group_by(JOBS.c.worker, JOBS.c.kind)
)
_NEWEST = (JOBS.c.created_at.desc(), JOBS.c.id.desc())
_WITH_RESULT = select(JOBS, RESULTS.c.result).outerjoin(RESULTS, RESULTS.c.job_id == JOBS.c.id)
# The two that are asked most are put together once: to take a statement apart costs as much as to run it.
_IS_IT = JOBS.c.id == bindparam("job")
_ONE = _WITH_RESULT.where(_IS_IT)
_CURVE = select(TRAININGS.c.curve).where(TRAININGS.c.job_id == bindparam("job"))
_STATE = select(JOBS.c.state, JOBS.c.progress_step, JOBS.c.progress_total).where(_IS_IT)
