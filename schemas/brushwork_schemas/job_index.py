"""Finds jobs again: by id, or newest first by kind and state."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, select, tuple_

from brushwork_schemas.database import Database
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import Job, JobError, Progress, checked_id
from brushwork_schemas.kinds import KINDS
from brushwork_schemas.options import Priority
from brushwork_schemas.requests import Request
from brushwork_schemas.results import Result
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import JOBS, RESULTS

# Inside the class, `list` is the method.
Jobs = list[Job]
IDS_A_QUERY = 500


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
        statement = _WITH_RESULT.where(JOBS.c.id == checked_id(job_id))
        with self._database.reading() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise JobNotFound(f"There is no job {job_id!r}.", field="id")
        return _job(row)

    def get_many(self, job_ids: Sequence[str]) -> Jobs:
        """The jobs of these ids, in their order; ids that are not there are left out."""
        found: dict[str, Job] = {}
        with self._database.reading() as connection:
            for start in range(0, len(job_ids), IDS_A_QUERY):
                wanted = JOBS.c.id.in_(job_ids[start : start + IDS_A_QUERY])
                rows = connection.execute(_WITH_RESULT.where(wanted)).mappings()
                found |= {row["id"]: _job(row) for row in rows}
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
        statement = select(JOBS.c.state, JOBS.c.progress_step, JOBS.c.progress_total).where(
            JOBS.c.id == checked_id(job_id)
        )
        with self._database.reading() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise JobNotFound(f"There is no job {job_id!r}.", field="id")
        return JobState(row.state), Progress(step=row.progress_step, total=row.progress_total)

    def list(
        self,
        *,
        kind: str | None = None,
        state: JobState | None = None,
        limit: int = 50,
        before: Job | None = None,
    ) -> Jobs:
        """Jobs, newest first.

        Args:
            kind: Only this kind.
            state: Only this state.
            limit: At most so many.
            before: Only those older than this one: the last of a list gives the next page.
        """
        wanted: list[ColumnElement[bool]] = []
        if kind is not None:
            wanted.append(JOBS.c.kind == kind)
        if state is not None:
            wanted.append(JOBS.c.state == state)
        if before is not None:
            mark = (_milliseconds(before.created_at), before.id)
            wanted.append(tuple_(JOBS.c.created_at, JOBS.c.id) < tuple_(*mark))
        statement = (
            _WITH_RESULT.where(*wanted).order_by(JOBS.c.created_at.desc(), JOBS.c.id.desc()).limit(limit)
        )
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(statement).mappings()]


_WITH_RESULT = select(JOBS, RESULTS.c.result).outerjoin(RESULTS, RESULTS.c.job_id == JOBS.c.id)


def _job(row: Mapping[Any, Any]) -> Job:
    kind = KINDS.get(row["kind"])
    stored_result = row["result"]
    return Job(
        id=row["id"],
        kind=row["kind"],
        model=row["model"],
        label=row["label"],
        state=JobState(row["state"]),
        request=_request(kind.request_type if kind else None, row["request"]),
        result=_result(kind.result_type if kind else None, stored_result),
        error=JobError(**row["error"]) if row["error"] else None,
        last_error=JobError(**row["last_error"]) if row["last_error"] else None,
        retry_at=_moment(row["not_before"]),
        priority=Priority(row["priority"]),
        tenant=row["tenant"],
        deadline_at=_moment(row["deadline_at"]),
        idempotency_key=row["idempotency_key"],
        progress=Progress(step=row["progress_step"], total=row["progress_total"]),
        cancel_requested=row["cancel_requested"],
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        worker=row["worker"],
        created_at=_moment(row["created_at"]),
        started_at=_moment(row["started_at"]),
        finished_at=_moment(row["finished_at"]),
    )


def _request(request_type: type[Request] | None, stored: dict[str, Any]) -> Request | dict[str, Any]:
    try:
        return request_type.model_validate(stored) if request_type else stored
    except ValidationError:
        # A job that was refused keeps its sender's own words, whatever they were.
        return stored


def _result(result_type: type[Result] | None, stored: dict[str, Any] | None) -> Any:
    try:
        return result_type.model_validate(stored) if result_type and stored is not None else stored
    except ValidationError:
        # Written by a newer brushwork: one such job must not hide all others from a list.
        return stored


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
