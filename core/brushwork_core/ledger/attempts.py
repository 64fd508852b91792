"""What a worker does with the jobs that it runs.

Every write is guarded by the fence of the claim, and returns a `WriteOutcome`: `APPLIED`, or `LEASE_LOST`
where the fence is out of date. A caller compares it with `is`; its use as a truth value raises `TypeError`.
"""

from collections.abc import Collection, Sequence
from typing import Any

from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import JobError, Progress
from brushwork_schemas.states import JobState
from sqlalchemy import Connection, Integer, String, Update, bindparam, cast, func, insert, select, update

from brushwork_core.database.database import now_ms
from brushwork_core.database.notifications import Topic, notify_leader
from brushwork_core.database.picture_prints import record_prints
from brushwork_core.database.review_table import HELD_ROLE, REVIEWS
from brushwork_core.database.tables import JOBS, RESULTS, in_state
from brushwork_core.ledger.holding import hold
from brushwork_core.ledger.intake import JobIntake
from brushwork_core.ledger.records import Completion, Signal, WriteOutcome
from brushwork_core.ledger.transitions import (
    end,
    held,
    holds,
    note_ends,
    note_task_ends,
    note_webhooks,
    requeue,
)

# A webhook or a Celery task id means that the end has receivers. Most jobs have neither: no extra statement.
_NOTED = (JOBS.c.id, JOBS.c.webhook_url, JOBS.c.task_id)
# In the column of suspicion: the job runs alone because of its own error, not because its worker died.
OWN_ERROR = "its own error"


class Attempts(JobIntake):
    """Renew leases, and end an attempt."""

    def perform(self, job_id: str, fence: int) -> WriteOutcome:
        """Mark a job as performing: only a performing job can be blamed for the death of its worker."""
        return self._write(held(job_id, fence).values(is_performing=True))

    def rest(self, job_id: str, fence: int, *, error: JobError | None = None) -> WriteOutcome:
        """Mark a job as waiting, such as for its model. It cannot be blamed while it waits.

        Args:
            job_id: Id of the job.
            fence: Fence of the claim.
            error: Why it has to wait, to be shown as its last error; None to leave that as it is.
        """
        noted = {} if error is None else {"last_error": error.model_dump()}
        return self._write(held(job_id, fence).values(is_performing=False, **noted))

    def renew(self, worker: str, *, without: Collection[str] = ()) -> dict[tuple[str, int], Signal]:
        """Renew all leases of a worker in one statement.

        Args:
            worker: Name of the worker.
            without: Ids of stalled jobs, whose leases are not renewed.

        Returns:
            The signal of each renewed attempt, by job id and fence. Other attempts of the worker are lost.
        """
        renewable = (JOBS.c.id.not_in(without),) if without else ()
        statement = (
            update(JOBS)
            .where(JOBS.c.worker == worker, in_state(JobState.RUNNING), *renewable)
            .values(lease_expires_at=now_ms() + self._lease_ms)
            .returning(JOBS.c.id, JOBS.c.fence, JOBS.c.cancel_requested)
        )
        with self._database.writing() as connection:
            rows = connection.execute(statement).all()
        return {(row.id, row.fence): Signal.CANCEL if row.cancel_requested else Signal.GO_ON for row in rows}

    def complete(
        self,
        job_id: str,
        fence: int,
        result: dict[str, Any],
        outputs: Sequence[Artifact] = (),
        *,
        progress: Progress | None = None,
    ) -> WriteOutcome:
        """Store the result and end the job as succeeded, in one transaction.

        Args:
            job_id: Id of the job.
            fence: Fence of the claim.
            result: Result as JSON.
            outputs: Files of the result, already stored.
            progress: Last progress. All its steps count as done.

        Returns:
            `APPLIED` also where an earlier call with the same fence was committed and only its reply was
            lost.

        Raises:
            ArtifactMissing: A file was removed after it was stored, with the last job that used it.
        """
        return self.complete_many([Completion(job_id, fence, result, tuple(outputs), progress)])[0]

    def complete_many(self, completions: Sequence[Completion]) -> list[WriteOutcome]:
        """End several jobs as succeeded, in one transaction; see `complete`.

        Returns:
            The outcome of each completion. One whose fence is out of date does not affect the others.

        Raises:
            ArtifactMissing: A file of one of them was removed. None is written then.
        """
        if (
            self._database.has_many_writers
            and len(completions) == 1
            and self._is_stored_at_once(completions[0])
        ):
            return [WriteOutcome.APPLIED]
        return self._database.write(lambda connection: self._completed(connection, completions))

    def _is_stored_at_once(self, completion: Completion) -> bool:
        """End a job by one statement, if there is nothing to write but its result, and nobody to tell."""
        if completion.outputs or completion.prints or completion.hold is not None:
            return False
        values = {
            "job": completion.job_id,
            "attempt_fence": completion.fence,
            "total": None if completion.progress is None else completion.progress.total,
            "made": completion.result,
        }
        return bool(self._database.write_at_once(_SUCCEED_AT_ONCE, values))

    def _completed(self, connection: Connection, completions: Sequence[Completion]) -> list[WriteOutcome]:
        ended: dict[tuple[str, int], Any] = {}
        for total, some in _by_total(completions).items():
            values = {
                "jobs": [each.job_id for each in some],
                "attempts": [f"{each.job_id}:{each.fence}" for each in some],
                "total": total,
            }
            ended |= {(row.id, row.fence): row for row in connection.execute(_SUCCEED, values)}
        # Not by the id alone: two attempts of one job may end at once, and one of them is out of date.
        new = [each for each in completions if (each.job_id, each.fence) in ended]
        if new:
            self._store(connection, new, list(ended.values()))
        if len(new) == len(completions):
            return [WriteOutcome.APPLIED] * len(completions)
        # A repeated completion of the attempt that stands is no loss.
        ids = [each.job_id for each in completions]
        fences = {
            row.job_id: row.fence
            for table in (RESULTS, REVIEWS)
            for row in connection.execute(
                select(table.c.job_id, table.c.fence).where(table.c.job_id.in_(ids))
            )
        }
        return [WriteOutcome.of(fences.get(each.job_id) == each.fence) for each in completions]

    def _store(self, connection: Connection, completions: Sequence[Completion], ended: list[Any]) -> None:
        """Store results and files of jobs that end. Nobody is told of the ends of those that are held."""
        served = [each for each in completions if each.hold is None]
        held_jobs = [each for each in completions if each.hold is not None]
        if served:
            connection.execute(_STORE, [_stored(each) for each in served])
        if held_jobs:
            hold(connection, held_jobs)
        links = [(each.job_id, file, _role(each)) for each in completions for file in each.outputs]
        self._link(connection, links)
        record_prints(connection, [(each.job_id, made) for each in completions for made in each.prints])
        told = {each.job_id for each in served}
        _note_ends(connection, [row for row in ended if row.id in told])

    def fail(
        self, job_id: str, fence: int, error: JobError, *, progress: Progress | None = None
    ) -> WriteOutcome:
        """End a running job with an error."""
        failed = end(held(job_id, fence), JobState.FAILED).values(error=error.model_dump())
        return self._end(job_id, failed.values(**_steps(progress)))

    def stop(self, job_id: str, fence: int, *, progress: Progress | None = None) -> WriteOutcome:
        """End a running job as canceled. Its worker calls this after it has stopped the work."""
        return self._end(job_id, end(held(job_id, fence), JobState.CANCELED).values(**_steps(progress)))

    def expire(self, job_id: str, fence: int, *, progress: Progress | None = None) -> WriteOutcome:
        """End a running job whose deadline has passed."""
        return self._end(job_id, end(held(job_id, fence), JobState.EXPIRED).values(**_steps(progress)))

    def retry(
        self,
        job_id: str,
        fence: int,
        error: JobError,
        *,
        after_s: float,
        avoid: str | None = None,
        alone: bool = False,
    ) -> WriteOutcome:
        """Put a running job back in the queue for another attempt.

        A job that was asked to stop is canceled instead. A job whose attempts are used up fails instead.

        Args:
            job_id: Id of the job.
            fence: Fence of the claim.
            error: Error of this attempt.
            after_s: Seconds before a worker can claim the job.
            avoid: Name of a worker that cannot claim the job for another `after_s` seconds.
            alone: Whether the next attempt runs alone in its worker.
        """
        pause_ms = round(after_s * 1000)
        again = requeue(held(job_id, fence)).values(
            last_error=error.model_dump(),
            not_before=now_ms() + pause_ms,
            avoid_worker=avoid,
            avoid_until=now_ms() + 2 * pause_ms,
            suspicion=OWN_ERROR if alone else JOBS.c.suspicion,
        )
        failed = end(held(job_id, fence), JobState.FAILED).values(error=error.model_dump())
        return self._give_back(job_id, fence, again, at_last=failed)

    def release(
        self, job_id: str, fence: int, *, after_s: float = 0.0, error: JobError | None = None
    ) -> WriteOutcome:
        """Put a running job back in the queue. The attempt is not counted.

        A job that was asked to stop is canceled instead.

        Args:
            job_id: Id of the job.
            fence: Fence of the claim.
            after_s: Seconds before a worker can claim the job.
            error: Why it could not go on; None to leave the last error as it is.
        """
        uncharged = requeue(held(job_id, fence)).values(attempt=JOBS.c.attempt - 1)
        if after_s > 0:
            uncharged = uncharged.values(not_before=now_ms() + round(after_s * 1000))
        if error is not None:
            uncharged = uncharged.values(last_error=error.model_dump())
        return self._give_back(job_id, fence, uncharged)

    def _give_back(
        self, job_id: str, fence: int, requeued: Update, *, at_last: Update | None = None
    ) -> WriteOutcome:
        """Requeue a running job; or cancel it if that was asked; or run `at_last` after its last attempt."""
        is_last = (JOBS.c.attempt >= JOBS.c.max_attempts).label("is_last")
        current = select(JOBS.c.cancel_requested, is_last).where(holds(job_id, fence)).with_for_update()
        with self._database.writing() as connection:
            job = connection.execute(current).first()
            if job is None:
                return WriteOutcome.LEASE_LOST
            canceled = end(held(job_id, fence), JobState.CANCELED)
            ended = canceled if job.cancel_requested else at_last if job.is_last else None
            connection.execute(requeued if ended is None else ended)
            if ended is not None:
                note_ends(connection, [job_id])
            else:
                notify_leader(connection, Topic.BACKLOG)
        return WriteOutcome.APPLIED

    def _end(self, job_id: str, statement: Update) -> WriteOutcome:
        def write(connection: Connection) -> WriteOutcome:
            ended = connection.execute(statement.returning(*_NOTED)).first()
            if ended is not None:
                _note_ends(connection, [ended])
            return WriteOutcome.of(ended is not None)

        return self._database.write(write)


# The statements of every job are built once: to build one costs as much as to run it.
_all_steps = func.coalesce(bindparam("total", type_=Integer()), JOBS.c.progress_total)
_SUCCEED = (
    end(
        update(JOBS).where(
            JOBS.c.id.in_(bindparam("jobs", expanding=True)),
            # Each with its own fence. The index is that of the ids.
            (JOBS.c.id + ":" + cast(JOBS.c.fence, String)).in_(bindparam("attempts", expanding=True)),
            in_state(JobState.RUNNING),
        ),
        JobState.SUCCEEDED,
    )
    .values(progress_step=_all_steps, progress_total=_all_steps)
    .returning(*_NOTED, JOBS.c.fence)
)
_STORE = insert(RESULTS)


def _succeed_at_once() -> Any:
    """UPDATE and INSERT in one statement: both, or neither where the fence is out of date."""
    ended = (
        end(
            update(JOBS).where(
                JOBS.c.id == bindparam("job"),
                JOBS.c.fence == bindparam("attempt_fence"),
                in_state(JobState.RUNNING),
                *(JOBS.c.webhook_url.is_(None), JOBS.c.task_id.is_(None)),
            ),
            JobState.SUCCEEDED,
        )
        .values(progress_step=_all_steps, progress_total=_all_steps)
        .returning(JOBS.c.id, JOBS.c.fence)
        .cte("ended")
    )
    made = select(ended.c.id, ended.c.fence, bindparam("made", type_=RESULTS.c.result.type))
    return insert(RESULTS).from_select(["job_id", "fence", "result"], made).returning(RESULTS.c.job_id)


_SUCCEED_AT_ONCE = _succeed_at_once()


def _stored(completion: Completion) -> dict[str, Any]:
    return {"job_id": completion.job_id, "fence": completion.fence, "result": completion.result}


def _role(completion: Completion) -> str:
    return "output" if completion.hold is None else HELD_ROLE


def _by_total(completions: Sequence[Completion]) -> dict[int | None, list[Completion]]:
    """The completions by their number of steps, which one statement sets for all of them."""
    by_total: dict[int | None, list[Completion]] = {}
    for each in completions:
        total = None if each.progress is None else each.progress.total
        by_total.setdefault(total, []).append(each)
    return by_total


def _note_ends(connection: Connection, ended: Sequence[Any]) -> None:
    """Write to the outboxes that a worker ended jobs. About a client's job the worker tells Flower."""
    if told := [row.id for row in ended if row.webhook_url is not None]:
        note_webhooks(connection, told)
    if bare := [row.id for row in ended if row.task_id is not None]:
        note_task_ends(connection, bare)


def _steps(progress: Progress | None) -> dict[str, int]:
    """Columns of the progress; none where the stored progress stays."""
    return {} if progress is None else {"progress_step": progress.step, "progress_total": progress.total}
