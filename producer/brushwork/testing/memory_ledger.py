"""A ledger in memory. Jobs change state by the same rules as in the real ledger."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from brushwork_schemas.errors import IdempotencyConflict, JobNotEnded, JobNotFound
from brushwork_schemas.job import Job, JobError, Progress, checked_id
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said

from brushwork.transports.transport import Jobs

_URGENCY = list(Priority)


@dataclass(frozen=True)
class MemoryJob:
    """A job to be submitted.

    Args:
        job: The job, in the state `queued`.
        sha256: Digest of its request; None if it has no idempotency key.
    """

    job: Job
    sha256: str | None


class MemoryLedger:
    """Keeps jobs in memory. Safe to share between threads."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._keys: dict[tuple[str, str], MemoryJob] = {}
        self._lock = threading.RLock()

    def submit(self, entries: Sequence[MemoryJob]) -> Jobs:
        """Add all jobs or none, and return them. For a repeated idempotency key, return the earlier job.

        Raises:
            IdempotencyConflict: An idempotency key was used for another request.
        """
        with self._lock:
            keys = dict(self._keys)
            accepted = [_accepted(entry, keys) for entry in entries]
            self._keys = keys
            for job in accepted:
                self._jobs.setdefault(job.id, job)
            return [self._jobs[job.id] for job in accepted]

    def get(self, job_id: str) -> Job:
        """Return the job of this id.

        Raises:
            JobNotFound: There is no such job.
        """
        with self._lock:
            job = self._jobs.get(checked_id(job_id))
            if job is None:
                raise JobNotFound(f"There is no job {job_id!r}.", field="id")
            return self._expired(job)

    def newest_first(self) -> Jobs:
        """Return all jobs, newest first."""
        with self._lock:
            jobs = [self._expired(job) for job in list(self._jobs.values())]
        return sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=True)

    def start_next(self) -> Job | None:
        """Start the oldest of the most urgent queued jobs; return None if no job is queued."""
        with self._lock:
            queued = [job for job in reversed(self.newest_first()) if job.state is JobState.QUEUED]
            job = max(queued, key=lambda job: _URGENCY.index(job.priority), default=None)
            return None if job is None else self.start(job.id)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job: a queued job ends at once, a running job is asked to stop."""
        with self._lock:
            job = self.get(job_id)
            if job.state is JobState.QUEUED:
                return self._end(job, JobState.CANCELED)
            if job.state is JobState.RUNNING:
                return self._changed(job, cancel_requested=True)
            return job

    def delete(self, job_id: str) -> Job:
        """Remove a job that has ended, and return it.

        Raises:
            JobNotFound: There is no such job.
            JobNotEnded: The job has not ended.
        """
        with self._lock:
            job = self.get(job_id)
            if not job.is_finished:
                raise JobNotEnded(
                    said(
                        "Job {id} is {state}. Only a job that has ended can be deleted.",
                        id=job_id,
                        state=job.state,
                    ),
                    hint="Cancel it first, and wait until it has ended.",
                )
            del self._jobs[job_id]
            self._keys = {key: entry for key, entry in self._keys.items() if entry.job.id != job_id}
            return job

    def start(self, job_id: str) -> Job:
        """Start a queued job.

        Raises:
            RuntimeError: The job is not queued.
        """
        with self._in_state(job_id, JobState.QUEUED) as job:
            return self._changed(
                job, state=JobState.RUNNING, attempt=job.attempt + 1, worker="fake", started_at=_now()
            )

    def advance(self, job_id: str, progress: Progress) -> Job:
        """Set the progress of a running job.

        Raises:
            RuntimeError: The job is not running.
        """
        with self._in_state(job_id, JobState.RUNNING) as job:
            return self._changed(job, progress=progress)

    def finish(self, job_id: str, outcome: Any) -> Job:
        """End a running job with a result or a `JobError`; if it was asked to stop, as canceled.

        Raises:
            RuntimeError: The job is not running.
        """
        with self._in_state(job_id, JobState.RUNNING) as job:
            if job.cancel_requested:
                return self._end(job, JobState.CANCELED)
            if isinstance(outcome, JobError):
                return self._end(job, JobState.FAILED, error=outcome)
            curve = getattr(outcome, "curve", ())
            return self._end(job, JobState.SUCCEEDED, result=outcome, curve=curve)

    @contextmanager
    def _in_state(self, job_id: str, state: JobState) -> Iterator[Job]:
        with self._lock:
            job = self.get(job_id)
            if job.state is not state:
                raise RuntimeError(f"job {job_id} is {job.state}, not {state}")
            yield job

    def _expired(self, job: Job) -> Job:
        if job.is_finished or job.deadline_at is None or job.deadline_at > _now():
            return job
        return self._end(job, JobState.EXPIRED)

    def _end(self, job: Job, state: JobState, **fields: Any) -> Job:
        return self._changed(job, state=state, finished_at=_now(), **fields)

    def _changed(self, job: Job, **fields: Any) -> Job:
        self._jobs[job.id] = job.model_copy(update=fields)
        return self._jobs[job.id]


def _accepted(entry: MemoryJob, keys: dict[tuple[str, str], MemoryJob]) -> Job:
    if entry.job.idempotency_key is None:
        return entry.job
    earlier = keys.setdefault((entry.job.tenant, entry.job.idempotency_key), entry)
    if earlier.sha256 != entry.sha256:
        raise IdempotencyConflict(
            f"The idempotency key {entry.job.idempotency_key!r} was used for another request.",
            field="idempotency_key",
            hint="Use a new key for a new request.",
        )
    return earlier.job


def _now() -> datetime:
    return datetime.now(UTC)
