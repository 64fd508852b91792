"""Recovers jobs whose worker is gone, and queued jobs whose message is lost. Any number may run at once."""

import logging
import time
from collections.abc import Callable

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger, Reaped
from brushwork_core.queries.due_maintenance import DueMaintenance

from brushwork_workers.execution.task_events import TaskEvents

LOGGER = logging.getLogger(__name__)


class Reconciler:
    """Repairs, in each sweep, what crashes, restarts and lost messages have left behind.

    Args:
        ledger: Holds the jobs.
        worker_registry: Knows which workers of this machine are dead.
        redispatch_after_s: Seconds after which an undelivered message counts as lost.
        lease_s: Length of a lease in seconds.
        events: Tells Celery's monitors which jobs run again.
        on_reaped: Called after jobs were taken back from lost workers.
    """

    def __init__(
        self,
        ledger: Ledger,
        worker_registry: WorkerRegistry,
        *,
        redispatch_after_s: float,
        lease_s: float,
        events: TaskEvents | None = None,
        on_reaped: Callable[[Reaped], None] = lambda reaped: None,
    ) -> None:
        self._events = events or TaskEvents()
        self._on_reaped = on_reaped
        self._ledger = ledger
        self._worker_registry = worker_registry
        self._redispatch_after_s = redispatch_after_s
        self._lease_s = lease_s
        self._reap_not_before = 0.0

    def sweep(self, due: DueMaintenance | None = None) -> None:
        """Expire overdue jobs, and requeue the jobs of dead workers and of lost messages.

        Args:
            due: What is due; None to look for everything.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        if due is None or due.overdue:
            self._expire()
        self._reap(has_lapsed=due is None or due.lapsed)
        if due is None or due.dispatched:
            number = self._ledger.forget_messages(self._redispatch_after_s)
            if number:
                LOGGER.info("The messages of %d jobs may be lost; the jobs wait for their turn", number)

    def reap_neighbours(self) -> None:
        """Requeue the jobs of workers of this machine whose process has ended.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        self._reap(has_lapsed=False)

    def postpone_reaping(self) -> None:
        """Let all workers renew their leases first: the database may have been away until now."""
        self._reap_not_before = time.monotonic() + self._lease_s / 2

    def _expire(self) -> None:
        for job_id in self._ledger.expire_queued():
            LOGGER.info("Job %s expired: it did not start before its deadline", job_id, extra={"job": job_id})

    def _reap(self, *, has_lapsed: bool) -> None:
        dead = self._worker_registry.dead_here()
        expired = has_lapsed and time.monotonic() >= self._reap_not_before
        if not dead and not expired:
            return
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
        self._on_reaped(reaped)
