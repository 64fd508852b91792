"""Celery's remote commands `revoke` and `terminate`, which cancel jobs that came as bare messages.

Celery's own commands drop the messages of a task. The job would stay in the ledger and get another message.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from brushwork_core.ledger import Ledger
from brushwork_core.queue.task_ids import job_id_of, shown
from brushwork_schemas.states import JobState
from celery.worker.control import control_command, nok, ok
from celery.worker.state import revoked

from brushwork_workers.supervision.recurring_thread import RecurringThread

LOGGER = logging.getLogger(__name__)
REVOKE_EVERY_S = 1.0


class Revocations:
    """Cancels revoked jobs in a thread of its own: Celery's event loop must not wait for a database.

    A task whose message has not arrived yet is remembered, as Celery does, by this worker and by those that
    start beside it. Its job is canceled when the message arrives.

    Args:
        ledger: Holds the jobs.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: dict[str, bool] = {}
        self._changing = threading.Lock()
        self._wanted = threading.Event()

    @property
    def wanted(self) -> threading.Event:
        """Set when `apply` should be called at once."""
        return self._wanted

    def add(self, task_ids: Iterable[str], *, terminate: bool) -> None:
        """Revoke tasks soon.

        Args:
            task_ids: Celery's ids.
            terminate: Whether running jobs are stopped, too.
        """
        with self._changing:
            for task_id in task_ids:
                self._waiting[task_id] = terminate or self._waiting.get(task_id, False)
        self._wanted.set()

    def thread(self) -> RecurringThread:
        """Return a thread that applies revocations."""
        return RecurringThread("revocations", REVOKE_EVERY_S, self.apply, wake=self.wanted)

    def apply(self) -> None:
        """Cancel the jobs of the revoked tasks. Those that could not be canceled are tried again.

        Raises:
            ServiceUnreachable: The ledger does not answer.
        """
        self._wanted.clear()
        with self._changing:
            waiting = dict(self._waiting)
        for task_id, terminate in waiting.items():
            job_id = job_id_of(task_id)
            before = self._ledger.revoke(job_id, terminate=terminate)
            if before in (JobState.QUEUED, JobState.RUNNING):
                LOGGER.info("Task %s was revoked: job %s was %s", shown(task_id), job_id, before)
            with self._changing:
                if self._waiting.get(task_id) == terminate:
                    del self._waiting[task_id]


def install() -> None:
    """Replace Celery's commands in this process."""
    control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")(_revoke)
    control_command(
        name="terminate", variadic="task_id", args=[("signal", str)], signature="<signal> [id1 ...]"
    )(_terminate)
    control_command(name="revoke_by_stamped_headers", variadic="headers", signature="[key=value ...]")(
        _revoke_by_stamps
    )


def _revoke(state: Any, task_id: Any, terminate: bool = False, **options: Any) -> Mapping[str, str]:
    """Cancel jobs that came as bare messages; running ones only with `terminate`."""
    given = [task_id] if isinstance(task_id, str) else task_id or []
    ids = {each for each in given if isinstance(each, str) and each}
    # Celery's own set: workers that start later learn it from this one.
    revoked.update(ids)
    state.app.worker_process.revocations.add(ids, terminate=bool(terminate))
    return dict(ok(f"{len(ids)} tasks flagged as revoked"))


def _terminate(state: Any, signal: Any, task_id: Any, **options: Any) -> Mapping[str, str]:
    """Cancel jobs that came as bare messages, running ones too."""
    return _revoke(state, task_id, terminate=True)


def _revoke_by_stamps(state: Any, headers: Any, **options: Any) -> Mapping[str, str]:
    """Refuse: the ledger keeps no stamps."""
    return dict(nok("brushwork does not keep the stamps of tasks. Revoke them by their ids."))
