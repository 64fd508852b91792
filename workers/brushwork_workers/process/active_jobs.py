"""The running jobs as Celery's inspection and heartbeats show them: a job has no message of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import time
from typing import Any

from brushwork_core.ledger import Claim
from brushwork_schemas.kinds.registry import kind_named
from celery.worker import state


class ActiveJob:
    """What Celery asks of a request that is being processed.

    Args:
        claim: The claim of the job.
        hostname: Celery's name of this worker.
    """

    acknowledged = True

    def __init__(self, claim: Claim, hostname: str) -> None:
        self.id = claim.job_id
        self.name = kind_named(claim.kind).task_name
        self._label = claim.label
        self._hostname = hostname
        self._began_at = time()

    def info(self, safe: bool = False) -> dict[str, Any]:
        """Return what `celery inspect active` prints."""
        return {
            **{"id": self.id, "name": self.name, "type": self.name, "args": self._label, "kwargs": {}},
            **{"hostname": self._hostname, "time_start": self._began_at, "acknowledged": True},
            **{"delivery_info": {}, "worker_pid": None},
        }


@contextmanager
def shown(claims: Sequence[Claim], hostname: str, on_end: Callable[[], None]) -> Iterator[None]:
    """Show jobs as active inside the block.

    Args:
        claims: The claims of the jobs.
        hostname: Celery's name of this worker.
        on_end: Called when they are not shown any more.
    """
    jobs = [ActiveJob(claim, hostname) for claim in claims]
    for job in jobs:
        state.task_accepted(job)
    try:
        yield
    finally:
        for job in jobs:
            state.task_ready(job)
        on_end()
