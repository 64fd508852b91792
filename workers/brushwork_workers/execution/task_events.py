"""Celery's task events, which Flower and other monitors show. They follow the job, not its messages."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from brushwork_core.ledger import Claim
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.states import JobState

MOST_KEPT = 10_000
_FINAL = {
    JobState.SUCCEEDED: "task-succeeded",
    JobState.FAILED: "task-failed",
    JobState.CANCELED: "task-revoked",
    JobState.EXPIRED: "task-revoked",
}


class TaskEvents:
    """Gathers the events that Celery's worker would send. Any thread may add one; the event loop sends them.

    The events of a worker without a connection are kept, up to `MOST_KEPT`.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MOST_KEPT)
        self._on_noted: Callable[[], None] = lambda: None

    def deliver(self, dispatcher: Any) -> None:
        """Send all events, in as few messages as possible.

        Args:
            dispatcher: Celery's event dispatcher, whose connection is there.
        """
        dispatcher.buffer_limit = MOST_KEPT
        while self._waiting:
            event, fields = self._waiting.popleft()
            dispatcher.send(event, **fields)
        dispatcher.flush()

    def on_noted(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when this worker has noted an end in the outbox of Celery."""
        self._on_noted = callback

    def noted(self) -> None:
        """Tell that an end was noted in the outbox, whose sender sends the final event, too."""
        self._on_noted()

    def started(self, claim: Claim) -> None:
        """Send that an attempt has begun. Monitors sort tasks by the time when they were received."""
        name = _task_name(claim.kind)
        self._send("task-received", uuid=claim.job_id, name=name, args=claim.label, kwargs="", retries=0)
        self._send("task-started", uuid=claim.job_id)

    def retried(self, job_id: str, reason: str) -> None:
        """Send that the job is queued again after an attempt."""
        self._send("task-retried", uuid=job_id, exception=reason, traceback="")

    def ended(self, claim: Claim, state: JobState, running_s: float) -> None:
        """Send the end of a job that an attempt of this worker ended."""
        self._send_end(claim.job_id, state, running_s)

    def ended_job(self, job: Job) -> None:
        """Send the end of a job as the ledger has it. A monitor may not have heard of the job before."""
        began, ended = job.started_at, job.finished_at
        running_s = (ended - began).total_seconds() if began and ended else 0.0
        self._send_end(job.id, job.state, running_s, name=_task_name(job.kind), args=job.label)

    def _send_end(self, job_id: str, state: JobState, running_s: float, **known: str) -> None:
        fields: dict[str, Any] = {"uuid": job_id, **known}
        if state is JobState.SUCCEEDED:
            fields |= {"result": state.value, "runtime": running_s}
        elif state is JobState.FAILED:
            # The reason may be private, so it is only in the ledger.
            text = f"Job {job_id} failed. For the reason run: brushwork show {job_id}"
            fields |= {"exception": text, "traceback": ""}
        else:
            fields |= {"terminated": False, "signum": None, "expired": state is JobState.EXPIRED}
        self._send(_FINAL[state], **fields)

    def _send(self, event: str, /, **fields: Any) -> None:
        self._waiting.append((event, {"timestamp": time.time(), **fields}))


def _task_name(kind_name: str) -> str:
    kind = all_kinds().get(kind_name)
    return kind.task_name if kind else kind_name
