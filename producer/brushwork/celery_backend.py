"""A result backend for Celery programs that do not use brushwork's client: it reads the results of jobs.

    app = Celery(broker="redis://...", backend="brushwork+postgresql://user:password@host/name")

The ledger is the only place of the results of jobs: nothing is copied, and nothing is written. Results of the
program's own tasks are kept where Celery would keep them, by default in the Redis of its broker.
"""

import functools
import os
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.queries.task_states import TaskStates
from brushwork_schemas.errors import BrushworkError, JobFailed
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.states import JobState
from brushwork_schemas.wording.phrase import said
from celery import states
from celery.app.backends import by_url
from celery.backends.base import BaseBackend
from celery.exceptions import ImproperlyConfigured, TaskRevokedError
from pydantic import BaseModel
from sqlalchemy import make_url

# The transport option that names the backend of the program's own tasks.
OWN_RESULTS = "own_results"
_STATES = {
    JobState.RUNNING: states.STARTED,
    JobState.SUCCEEDED: states.SUCCESS,
    JobState.FAILED: states.FAILURE,
    JobState.CANCELED: states.REVOKED,
    JobState.EXPIRED: states.REVOKED,
}


class LedgerBackend(BaseBackend):  # type: ignore[misc]
    """Celery's view of the ledger.

    Chords are counted by `celery.chord_unlock` in a worker of the program itself.

    Args:
        app: Celery application of the program.
        url: Address of the ledger: `postgresql://user:password@host/name` or `sqlite:///file`.
        options: Other arguments of Celery's backends.
    """

    def __init__(self, app: Any, url: str | None = None, **options: Any) -> None:
        super().__init__(app, url=url, **options)
        if not url or "://" not in url:
            raise ImproperlyConfigured(
                "The result backend of brushwork needs the address of the ledger: "
                "brushwork+postgresql://user:password@host/name or brushwork+sqlite:///file."
            )
        # Opened at the first use: Celery forks its worker processes after it has made its backends.
        self._address = _with_driver(url)
        self._own = self._own_results()

    def _own_results(self) -> Any:
        conf = self.app.conf
        address = (conf.result_backend_transport_options or {}).get(OWN_RESULTS) or conf.broker_url
        backend, url = by_url(address, self.app.loader)
        if not hasattr(backend, "_get_task_meta_for"):
            raise ImproperlyConfigured(
                "The results of the program's own tasks have no place. Set the broker's address, or "
                f'result_backend_transport_options["{OWN_RESULTS}"] to the address of a result backend.'
            )
        return backend(app=self.app, url=url)

    @property
    def _tasks(self) -> TaskStates:
        return _task_states(self._address, os.getpid())

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        job = self._tasks.job(task_id)
        if job is not None:
            return _meta(task_id, job)
        own: dict[str, Any] = self._own._get_task_meta_for(task_id)
        if own["status"] == states.PENDING:
            broken = self._tasks.broken_chain(task_id)
            return own if broken is None else _meta(task_id, broken)
        return own

    def _store_result(self, task_id: str, result: Any, state: str, *args: Any, **options: Any) -> Any:
        return self._own._store_result(task_id, result, state, *args, **options)

    def _forget(self, task_id: str) -> None:
        """Forget the result of a task of the program. Jobs are removed by `brushwork prune`."""
        self._own._forget(task_id)

    def _save_group(self, group_id: str, result: Any) -> Any:
        return self._own._save_group(group_id, result)

    def _restore_group(self, group_id: str) -> Any:
        return self._own._restore_group(group_id)

    def _delete_group(self, group_id: str) -> None:
        self._own._delete_group(group_id)

    def cleanup(self) -> None:
        """Remove old results of the program's own tasks."""
        self._own.cleanup()


@functools.lru_cache(maxsize=8)
def _task_states(address: str, process: int) -> TaskStates:
    """The ledger at an address, opened once in a process. Celery makes a backend in each thread."""
    return TaskStates(Database(address, "result backend"))


def _with_driver(url: str) -> str:
    address = make_url(url)
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    return address.render_as_string(hide_password=False)


def _meta(task_id: str, job: Job) -> dict[str, Any]:
    """The result of a job in Celery's form."""
    return {
        "task_id": task_id,
        "status": _status(job),
        "result": _result(job),
        "traceback": None,
        "children": [],
        "date_done": job.finished_at and job.finished_at.isoformat(),
    }


def _status(job: Job) -> str:
    if job.review is not None:
        # Until a reviewer has decided, the task has no end.
        return str(states.STARTED)
    if job.state is JobState.QUEUED:
        # A job that was started before waits for another attempt.
        return str(states.PENDING if job.started_at is None else states.RETRY)
    return str(_STATES[job.state])


def _result(job: Job) -> Any:
    match job.state:
        case JobState.SUCCEEDED:
            return job.result.model_dump(mode="json") if isinstance(job.result, BaseModel) else job.result
        case JobState.FAILED:
            return _failure(job, job.error)
        case JobState.QUEUED if job.last_error is not None:
            return _failure(job, job.last_error)
        case JobState.CANCELED | JobState.EXPIRED:
            return TaskRevokedError(job.state.value)
    return None


def _failure(job: Job, error: JobError | None) -> BrushworkError:
    if error is None:
        return JobFailed(said("Job {id} failed.", id=job.id))
    return JobFailed(
        said("Job {id} failed ({code}): {message}", id=job.id, code=error.code, message=error.message),
        hint=error.hint,
    )
