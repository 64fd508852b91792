"""Finds what was lost: jobs whose worker is gone, and queued jobs whose message is. Safe in any number."""

import logging
import time

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queue.broker import Publisher
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.kinds.registry import all_kinds

LOGGER = logging.getLogger(__name__)
MOST_AT_ONCE = 1000
# An answer that took more of a lease than this came from a database that was away.
SLOW = 0.25


class Reconciler:
    """One sweep sets right what crashes, restarts and lost messages left behind.

    Args:
        ledger: Holds the jobs.
        worker_registry: Knows the workers of this machine.
        publisher: Sends messages.
        redispatch_after_s: How long a message may be on its way before it counts as gone.
        lease_s: How long a lease lasts.
    """

    def __init__(
        self,
        ledger: Ledger,
        worker_registry: WorkerRegistry,
        publisher: Publisher,
        *,
        redispatch_after_s: float,
        lease_s: float,
    ) -> None:
        self._ledger = ledger
        self._worker_registry = worker_registry
        self._publisher = publisher
        self._redispatch_after_s = redispatch_after_s
        self._lease_s = lease_s
        self._reaps_from = 0.0

    def sweep(self) -> None:
        """Take back what dead workers held, end what is overdue, publish again what Redis forgot."""
        for job_id in self._overdue():
            LOGGER.info("Job %s was not begun before its deadline", job_id, extra={"job": job_id})
        if time.monotonic() >= self._reaps_from:
            self._reap()
        for kind in all_kinds():
            num_sent = self._ledger.num_dispatched(kind)
            if num_sent:
                # Messages that wait are no reason to send more; only the difference can be lost.
                num_lost = num_sent - self._publisher.num_waiting(kind)
                self._publish_again(kind, min(num_lost, MOST_AT_ONCE))

    def _overdue(self) -> list[str]:
        """End what is overdue; the answer shows whether the database was there all the time.

        While it was away nobody could renew a lease, and when it is back all workers are still alive.
        """
        began = time.monotonic()
        try:
            overdue = self._ledger.expire_queued()
        except ServiceUnreachable:
            self._reap_later()
            raise
        if time.monotonic() - began > SLOW * self._lease_s:
            self._reap_later()
        return overdue

    def _reap_later(self) -> None:
        self._reaps_from = time.monotonic() + self._lease_s / 2

    def _reap(self) -> None:
        dead = self._worker_registry.dead_here()
        reaped = self._ledger.reap(dead)
        for worker in dead:
            self._worker_registry.leave(worker)
        for job_id in reaped.queued:
            alone = ", alone, for one of several may have ended it" if job_id in reaped.suspects else ""
            LOGGER.warning(
                "Job %s lost its worker and is queued again%s", job_id, alone, extra={"job": job_id}
            )
        for job_id in reaped.failed:
            LOGGER.error(
                "Job %s lost its worker once too often and has failed", job_id, extra={"job": job_id}
            )

    def _publish_again(self, kind: str, limit: int) -> None:
        jobs = self._ledger.dispatch_again(kind, limit, older_than_s=self._redispatch_after_s)
        if not jobs:
            return
        if self._publisher.publish(jobs):
            LOGGER.info("Published %d jobs of %s again", len(jobs), kind)
        else:
            self._ledger.undispatch([job.job_id for job in jobs])
