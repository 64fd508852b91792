"""The regular sweep: a leader maintains the ledger, and all workers watch the processes of their machine."""

import logging
import threading
import time
from collections.abc import Callable

from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.maintenance_lease import MaintenanceLease
from brushwork_core.fleet.worker_registry import BeatReply, WorkerRegistry
from brushwork_core.queries.due_maintenance import MaintenanceQuery
from brushwork_schemas.errors import ServiceUnreachable

from brushwork_workers.supervision.neighbours import Neighbours
from brushwork_workers.supervision.reconciler import Reconciler

LOGGER = logging.getLogger(__name__)
# If a query takes more than this share of a lease, the database was unreachable for a while.
SLOW_SHARE = 0.25


class Maintenance:
    """Sweeps. While nothing is due, the leader only reads in a sweep, and other workers not even that.

    Args:
        lease: The right to lead.
        query: Tells what is due.
        reconciler: Recovers jobs.
        neighbours: The workers of this machine.
        job_signals: Removes old previews.
        worker_registry: Forgets silent workers.
        sweep_checkpoints: Removes the files of old checkpoints.
        lease_s: Length of the lease of a job in seconds.
        forget_after_s: Seconds without a heartbeat after which a worker is forgotten.
    """

    def __init__(
        self,
        lease: MaintenanceLease,
        query: MaintenanceQuery,
        reconciler: Reconciler,
        neighbours: Neighbours,
        job_signals: JobSignals,
        worker_registry: WorkerRegistry,
        sweep_checkpoints: Callable[[], None],
        *,
        lease_s: float,
        forget_after_s: float,
    ) -> None:
        self._lease = lease
        self._query = query
        self._reconciler = reconciler
        self._neighbours = neighbours
        self._job_signals = job_signals
        self._worker_registry = worker_registry
        self._sweep_checkpoints = sweep_checkpoints
        self._lease_s = lease_s
        self._forget_after_s = forget_after_s
        self._wanted = threading.Event()

    @property
    def wanted(self) -> threading.Event:
        """Set when `sweep` should be called at once."""
        return self._wanted

    def learn(self, reply: BeatReply) -> None:
        """Learn from the reply to a heartbeat: take the lease if nobody has it.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        if not reply.is_led and not self._lease.is_held and self._lease.take():
            self._wanted.set()
        self._neighbours.learn(reply)

    def answered_after(self, seconds: float) -> None:
        """Note how long the database took for an answer; infinite for none.

        If it was unreachable for a while, no worker could renew its leases. All of them may be alive.
        """
        if seconds > SLOW_SHARE * self._lease_s:
            self._reconciler.postpone_reaping()

    def sweep(self) -> None:
        """Maintain the ledger as the leader; else take back the jobs of neighbours that have died.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        self._wanted.clear()
        began = time.monotonic()
        try:
            leads = self._lease.is_held and self._lease.take()
            due = self._query.due() if leads else None
        except ServiceUnreachable:
            self.answered_after(float("inf"))
            raise
        self.answered_after(time.monotonic() - began)
        if due is None:
            self._take_over_from_neighbours()
            return
        self._reconciler.sweep(due)
        if due.previews:
            self._job_signals.sweep()
        if due.checkpoints:
            self._sweep_checkpoints()
        if due.silent:
            self._worker_registry.forget(self._forget_after_s)

    def stop(self) -> None:
        """Let another worker lead.

        Raises:
            ServiceUnreachable: The database does not answer. The lease expires by itself then.
        """
        self._lease.give_up()

    def _take_over_from_neighbours(self) -> None:
        if gone := self._neighbours.gone():
            # All neighbours notice it at once; the first takes the jobs, and the others find nothing.
            self._reconciler.reap_neighbours()
            if self._lease.take(dead=gone):
                self._wanted.set()
            self._neighbours.forget(gone)
