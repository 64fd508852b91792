"""Ends a worker process that cannot go on, after giving back the jobs that can be given back."""

import logging
import os
import threading
from collections.abc import Sequence

from brushwork_core.fleet.worker_registry import WorkerNameInUse, WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.telemetry import log
from brushwork_schemas.errors import BrushworkError

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.supervision.heartbeat import Heartbeat

LOGGER = logging.getLogger(__name__)
EXIT_LIMIT_S = 2.0
EXIT_BROKEN = 75
# Another start would find the name in use.
EXIT_NAME_TAKEN = 78


class EmergencyExit:
    """Ends this process. Exit status 75 asks its supervisor (`brushwork up`, systemd, ...) for another one.

    The process has to end because a hung thread cannot be.

    Args:
        worker: Name of this process in the ledger.
        ledger: Takes the jobs back.
        worker_registry: The worker's entry is removed from it.
        heartbeat: Knows the running jobs.
    """

    def __init__(
        self, worker: str, ledger: Ledger, worker_registry: WorkerRegistry, heartbeat: Heartbeat
    ) -> None:
        self._worker = worker
        self._ledger = ledger
        self._worker_registry = worker_registry
        self._heartbeat = heartbeat

    def jobs_stalled(self, stalled: Sequence[Attempt]) -> None:
        """Exit because these jobs are hung; without any, because this process stood still for too long."""
        if not stalled:
            LOGGER.critical("This worker stood still for too long, and exits")
        ids = [attempt.claim.job_id for attempt in stalled]
        for job_id in ids:
            LOGGER.critical("Job %s is hung; this worker exits", job_id, extra={"job": job_id})
        self._exit(stalled, stalled=ids)

    def device_failed(self, running: Sequence[Attempt]) -> None:
        """Exit because the device has failed, perhaps by the fault of one of the running jobs."""
        LOGGER.critical("The device has failed; this worker exits")
        self._exit(running)

    def consumer_stuck(self) -> None:
        """Exit because no message arrives any more; no job is to blame."""
        self._exit([])

    def name_taken(self, error: WorkerNameInUse) -> None:
        """Exit because another worker has taken the name while this one sent no heartbeats."""
        LOGGER.critical("This worker was silent for too long, and exits: %s", error)
        self._exit([], status=EXIT_NAME_TAKEN)

    def _exit(
        self, lost: Sequence[Attempt], *, stalled: Sequence[str] = (), status: int = EXIT_BROKEN
    ) -> None:
        # The timer comes first: an unreachable database must not keep a useless process alive.
        timer = threading.Timer(EXIT_LIMIT_S, os._exit, (status,))
        timer.daemon = True
        timer.start()
        try:
            self._heartbeat.release_all(but=lost)
            self._ledger.reap([self._worker], stalled=stalled)
            self._worker_registry.leave(self._worker)
        except BrushworkError as error:
            LOGGER.warning("The jobs of this worker stay claimed until their leases expire: %s", error)
        log.close()
        os._exit(status)
