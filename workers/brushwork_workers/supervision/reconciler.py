"""Recovers jobs whose worker is gone, and queued jobs whose message is lost. Any number may run at once."""

import logging
import time

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_schemas.errors import ServiceUnreachable

from brushwork_workers.execution.task_events import TaskEvents

LOGGER = logging.getLogger(__name__)
# If a query takes more than this share of a lease, the database was unreachable for a while.
SLOW_SHARE = 0.25


class Reconciler:
    """Repairs, in each sweep, what crashes, restarts and lost messages have left behind.

    Args:
        ledger: Holds the jobs.
        worker_registry: Knows which workers of this machine are dead.
        redispatch_after_s: Seconds after which an undelivered message counts as lost.
        lease_s: Length of a lease in seconds.
        events: Tells Celery's monitors which jobs run again.
    """

    def __init__(
        self,
        ledger: Ledger,
        worker_registry: WorkerRegistry,
        *,
        redispatch_after_s: float,
        lease_s: float,
        events: TaskEvents | None = None,
    ) -> None:
        self._events = events or TaskEvents()
        self._ledger = ledger
        self._worker_registry = worker_registry
        self._redispatch_after_s = redispatch_after_s
        self._lease_s = lease_s
        self._reap_not_before = 0.0

    def sweep(self) -> None:
        """Expire overdue jobs, and requeue the jobs of dead workers and of lost messages."""
        for job_id in self._expire():
            LOGGER.info("Job %s expired: it did not start before its deadline", job_id, extra={"job": job_id})
        self._reap(expired=time.monotonic() >= self._reap_not_before)
        if number := self._ledger.forget_messages(self._redispatch_after_s):
            LOGGER.info("The messages of %d jobs may be lost; the jobs wait for their turn", number)

    def _expire(self) -> list[str]:
        """Expire overdue jobs, and postpone the reaping of expired leases if the database was unreachable.

        While it was, no worker could renew a lease; once it is back, all of them are still alive.
        """
        began = time.monotonic()
        try:
            expired = self._ledger.expire_queued()
        except ServiceUnreachable:
            self.postpone_reaping()
            raise
        if time.monotonic() - began > SLOW_SHARE * self._lease_s:
            self.postpone_reaping()
        return expired

    def postpone_reaping(self) -> None:
        """Let all workers renew their leases first: the database may have been away until now."""
        self._reap_not_before = time.monotonic() + self._lease_s / 2

    def _reap(self, *, expired: bool) -> None:
        dead = self._worker_registry.dead_here()
        reaped = self._ledger.reap(dead, expired=expired)
        for worker in dead:
            self._worker_registry.leave(worker)
        for job_id in reaped.queued:
            alone = "; it will run alone, because it may be the cause" if job_id in reaped.suspects else ""
            LOGGER.warning(
                "Job %s lost its worker and is queued again%s", job_id, alone, extra={"job": job_id}
            )
            self._events.retried(job_id, "The job lost its worker and is queued again.")
        for job_id in reaped.failed:
            LOGGER.error(
                "Job %s failed: it lost its worker in its last attempt", job_id, extra={"job": job_id}
            )
