"""Sends the ends of jobs to Celery programs: callbacks and the final event, from the outbox."""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

from brushwork_core.ledger.task_ends import TaskEnd, TaskEnds
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.timing.backoff import Backoff
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.job import Job

from brushwork_workers.execution.task_events import TaskEvents

LOGGER = logging.getLogger(__name__)
SEND_EVERY_S = 0.25
# Of a leader that is notified of ends.
NOTIFIED_SEND_S = 1.0
# Only the ends of workers of an older version are missed.
FIND_MISSED_EVERY_S = 30.0
AT_ONCE = 50
PAUSES = Backoff(first_s=0.5, longest_s=30.0)


class Callbacks(Protocol):
    """Publishes the callbacks of one job."""

    def publish(self, job: Job, relations: Mapping[str, Any], *, again: bool) -> int:
        """Publish all callbacks of an ended job, or none, and return their number.

        Raises:
            ServiceUnreachable: Redis does not answer.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class TaskEndSender:
    """Sends due ends. Any number of senders may run: each end is sent by one of them.

    Args:
        task_ends: The outbox.
        index: Reads the jobs.
        callbacks: Publishes callbacks.
        events: Sends the final events of jobs.
    """

    def __init__(
        self, task_ends: TaskEnds, index: JobIndex, callbacks: Callbacks, events: TaskEvents
    ) -> None:
        self._task_ends = task_ends
        self._index = index
        self._callbacks = callbacks
        self._events = events
        self._wanted = threading.Event()
        self._sends_at = 0.0

    @property
    def wanted(self) -> threading.Event:
        """Set when this worker has noted an end, or heard of one."""
        return self._wanted

    def is_due(self, leads: bool, is_notified: bool) -> bool:
        """Return whether this worker should look for due ends now: after an event, or as the leader.

        Args:
            leads: Whether this worker is the leader, which looks regularly.
            is_notified: Whether notifications of the database arrive. Then it looks less often.
        """
        now = time.monotonic()
        is_due = self._wanted.is_set() or (leads and now >= self._sends_at)
        if is_due:
            self._wanted.clear()
            self._sends_at = now + (NOTIFIED_SEND_S if is_notified else 0.0)
        return is_due

    def send_due(self) -> None:
        """Send all due ends.

        Raises:
            ServiceUnreachable: The ledger does not answer.
        """
        while ends := self._task_ends.take(AT_ONCE):
            jobs = {job.id: job for job in self._index.get_many([end.job_id for end in ends])}
            for end in ends:
                # A job that was removed took its callbacks along.
                if end.job_id in jobs:
                    self._send(end, jobs[end.job_id])

    def find_missed(self) -> None:
        """Note the ends of jobs that a worker of an older version ended.

        Raises:
            ServiceUnreachable: The ledger does not answer.
        """
        if number := self._task_ends.find_missed():
            LOGGER.info("A worker of an older version ended %d jobs, whose callbacks are sent now", number)

    def close(self) -> None:
        """Close all connections."""
        self._callbacks.close()

    def _send(self, end: TaskEnd, job: Job) -> None:
        try:
            number = self._callbacks.publish(job, end.relations or {}, again=end.attempts > 1)
        except ServiceUnreachable as error:
            LOGGER.warning("The callbacks of job %s are sent later: %s", job.id, error, extra={"job": job.id})
            self._task_ends.retry(end, PAUSES.pause_s(end.attempts))
            return
        except Exception:
            # Celery cannot send one of them, and could not at the next try either.
            LOGGER.exception("The callbacks of job %s cannot be sent", job.id, extra={"job": job.id})
            number = 0
        if number:
            LOGGER.info("Job %s: %d callbacks were sent", job.id, number, extra={"job": job.id})
        self._events.ended_job(job)
        self._task_ends.sent(end)
