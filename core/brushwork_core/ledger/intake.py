"""Jobs from callers: submit, refuse and cancel."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import IdempotencyConflict, JobNotFound
from brushwork_schemas.job import JobError, checked_id
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from sqlalchemy import Connection, insert, literal, select, update

from brushwork_core.database.database import now_ms
from brushwork_core.database.file_records import record_files
from brushwork_core.database.outbox_tables import CELERY_CHAINED, CELERY_TASKS
from brushwork_core.database.picture_credentials import (
    credentials_of,
    files_with_credentials,
    record_credentials,
)
from brushwork_core.database.tables import JOB_ARTIFACTS, JOBS
from brushwork_core.database.upsert import insert_or_ignore, insert_or_ignore_in
from brushwork_core.ledger.ledger_part import LedgerPart
from brushwork_core.ledger.records import NewJob, Submitted
from brushwork_core.ledger.transitions import HEAD_START_MS, STEPS, end, note_ends


class JobIntake(LedgerPart):
    """Submit, refuse and cancel jobs."""

    def submit(self, jobs: Sequence[NewJob]) -> Submitted:
        """Write new jobs as queued, in one transaction.

        A job whose id or idempotency key exists already is not written.

        Args:
            jobs: Jobs to write.

        Raises:
            IdempotencyConflict: A key was used for another request.
            ArtifactMissing: A file of a job was removed after it was stored, with the last job that used it.
        """

        def write(connection: Connection) -> Submitted:
            rows = self._insert(connection, jobs, state=JobState.QUEUED)
            _check_keys(connection, [job for job in jobs if job.id not in rows and job.idempotency_key])
            return Submitted(rows)

        return self._database.write(write)

    def refuse(self, job: NewJob, error: JobError) -> bool:
        """Write a job that cannot run as failed, so that its sender can read the error.

        Returns:
            Whether the id was new.
        """
        return self._submit_ended(
            job, state=JobState.FAILED, error=literal(error.model_dump(), JOBS.c.error.type)
        )

    def submit_ended(self, job: NewJob, state: JobState) -> bool:
        """Write a job that was canceled, or had expired, before it reached the ledger.

        Returns:
            Whether the id was new.
        """
        return self._submit_ended(job, state=state)

    def _submit_ended(self, job: NewJob, **columns: Any) -> bool:
        with self._database.writing() as connection:
            rows = self._insert(connection, [job], finished_at=now_ms(), **columns)
            note_ends(connection, list(rows))
        return bool(rows)

    def revoke(self, job_id: str, *, terminate: bool) -> JobState | None:
        """Cancel a job that came as a bare Celery message. A job of a client stays as it is.

        Args:
            job_id: Id of the job.
            terminate: Whether a running job is asked to stop, too.

        Returns:
            The state before the call; None where no bare message became such a job.
        """
        came_bare = select(JOBS.c.state).where(JOBS.c.id == job_id, JOBS.c.task_id.is_not(None))
        with self._database.writing() as connection:
            state = connection.execute(came_bare.with_for_update()).scalar()
            if state is not None:
                _withdraw(connection, job_id, state, stop=terminate)
        return None if state is None else JobState(state)

    def cancel(self, job_id: str) -> JobState:
        """Cancel a queued job, or ask the worker of a running job to stop it.

        Returns:
            The state after the call: `canceled`; `running` until the worker has stopped; or the terminal
            state that the job had before.

        Raises:
            JobNotFound: No job has this id.
        """
        before = self.withdraw(job_id)
        return JobState.CANCELED if before is JobState.QUEUED else before

    def withdraw(self, job_id: str) -> JobState:
        """Cancel a job like `cancel`, and return what this call changed.

        Returns:
            The state before the call. Of several calls at the same time, only one sees `queued`.
        """
        # Locked first: between two guarded updates, a reap or a release could change the state past both.
        current = select(JOBS.c.state).where(JOBS.c.id == checked_id(job_id)).with_for_update()
        with self._database.writing() as connection:
            state = connection.execute(current).scalar()
            _withdraw(connection, job_id, state, stop=True)
        if state is None:
            raise JobNotFound(said("There is no job {job_id!r}.", job_id=job_id), field="id")
        return JobState(state)

    def _insert(
        self,
        connection: Connection,
        jobs: Sequence[NewJob],
        **columns: Any,
    ) -> dict[str, dict[str, Any]]:
        """Insert the jobs whose id and idempotency key are new; their rows by id."""
        if not jobs:
            return {}
        clock = connection.execute(select(now_ms())).scalar_one()
        statement = _inserting(connection.dialect.name, columns.pop("state", None))
        if columns:
            statement = statement.values(**columns)
        # Always in the same order, so that two transactions that share keys cannot deadlock.
        in_order = sorted(jobs, key=lambda job: (job.tenant, job.idempotency_key or ""))
        values = [_columns(job, clock) for job in in_order]
        rows = {row["id"]: dict(row) for row in connection.execute(statement, values).mappings()}
        _keep_messages(connection, [job for job in jobs if job.celery is not None and job.id in rows])
        new = [job for job in jobs if job.id in rows]
        self._link(
            connection,
            [(job.id, file, "input") for job in new for file in files_with_credentials(job.inputs)],
        )
        for job in new:
            _link_credentials(connection, job)
        return rows

    def _link(self, connection: Connection, links: Sequence[tuple[str, Artifact, str]]) -> None:
        if not links:
            return
        record_files(connection, [artifact for _, artifact, _ in links], self._is_stored)
        connection.execute(
            insert_or_ignore(connection, JOB_ARTIFACTS),
            [{"job_id": job_id, "sha256": artifact.sha256, "role": role} for job_id, artifact, role in links],
        )


def _link_credentials(connection: Connection, job: NewJob) -> None:
    """Make the credentials of its pictures files of the job, also those that were handed in earlier."""
    if not job.inputs:
        return
    record_credentials(connection, job.tenant, job.inputs)
    found = credentials_of(connection, job.tenant, (artifact.sha256 for artifact in job.inputs))
    if found:
        connection.execute(
            insert_or_ignore(connection, JOB_ARTIFACTS),
            [{"job_id": job.id, "sha256": name, "role": "input"} for name in sorted(set(found.values()))],
        )


@cache
def _inserting(dialect: str, state: JobState | None) -> Any:
    """INSERT of new jobs, built once: to build it costs as much as to run it."""
    times = {"created_at": now_ms(), "queued_at": now_ms()}
    states = {} if state is None else {"state": state}
    return insert_or_ignore_in(dialect, JOBS).values(**times, **states).returning(JOBS)


# Columns whose values are those of the new job.
_COPIED = (
    *("id", "kind", "model", "label", "request", "max_attempts"),
    *("tenant", "priority", "idempotency_key", "request_sha256", "webhook_url"),
    *("retry_of", "retention_s", "traceparent"),
)


def _withdraw(connection: Connection, job_id: str, state: str | None, *, stop: bool) -> None:
    row = update(JOBS).where(JOBS.c.id == job_id)
    if state == JobState.QUEUED:
        connection.execute(end(row, JobState.CANCELED))
        note_ends(connection, [job_id])
    if state == JobState.RUNNING and stop:
        connection.execute(row.values(cancel_requested=True))


def _keep_messages(connection: Connection, jobs: Sequence[NewJob]) -> None:
    """Store what jobs need at their end to answer the messages that they came as."""
    messages = [{"job_id": job.id, "message": dict(job.celery.relations)} for job in jobs if job.celery]
    chained = [
        {"task_id": task_id, "job_id": job.id}
        for job in jobs
        if job.celery
        for task_id in sorted(set(job.celery.chained))
    ]
    if messages:
        connection.execute(insert(CELERY_TASKS), messages)
    if chained:
        connection.execute(insert_or_ignore(connection, CELERY_CHAINED), chained)


def _columns(job: NewJob, clock_ms: int) -> dict[str, Any]:
    deadline = None if job.deadline_s is None else clock_ms + round(job.deadline_s * 1000)
    return {
        **{name: getattr(job, name) for name in _COPIED},
        "rank": clock_ms - STEPS[job.priority] * HEAD_START_MS,
        "deadline_at": deadline,
        "not_before": job.not_before_ms,
        "task_id": None if job.celery is None else job.celery.task_id,
        "job_group": job.group,
        # Without repetitions: the column is as wide as all names together.
        "webhook_events": None if job.webhook_events is None else ",".join(dict.fromkeys(job.webhook_events)),
    }


def _check_keys(connection: Connection, jobs: Sequence[NewJob]) -> None:
    for job in jobs:
        earlier = select(JOBS.c.request_sha256).where(
            JOBS.c.tenant == job.tenant, JOBS.c.idempotency_key == job.idempotency_key
        )
        digest = connection.execute(earlier).scalar()
        if digest is not None and digest != job.request_sha256:
            raise IdempotencyConflict(
                said(
                    "The idempotency key {idempotency_key!r} was used for another request.",
                    idempotency_key=job.idempotency_key,
                ),
                field="idempotency_key",
                hint="Use a new key for each request. Use the same key only to repeat the same request.",
            )
