"""How a worker leaves before its time: what it can give back is given back, and the process ends."""

import logging
import os
import threading
from collections.abc import Sequence

from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_schemas.errors import BrushworkError

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.supervision.heartbeat import Heartbeat

LOGGER = logging.getLogger(__name__)
SECONDS_TO_LEAVE = 2.0
EXIT_BROKEN = 75


class EmergencyExit:
    """Ends this process, whose threads can't be ended; whoever started it starts another.

    Args:
        worker: This process's name in the ledger.
        ledger: To which jobs are given back.
        worker_registry: Which is left.
        heartbeat: Knows the jobs.
    """

    def __init__(
        self, worker: str, ledger: Ledger, worker_registry: WorkerRegistry, heartbeat: Heartbeat
    ) -> None:
        self._worker = worker
        self._ledger = ledger
        self._worker_registry = worker_registry
        self._heartbeat = heartbeat

    def stalled(self, stalled: Sequence[Attempt]) -> None:
        """These jobs do not move any more."""
        ids = [attempt.claim.job_id for attempt in stalled]
        LOGGER.critical("Nothing moves any more in %s; this worker ends", ", ".join(ids))
        self._leave(stalled, stalled=ids)

    def broken(self) -> None:
        """The device has failed, and one of the jobs that run may be why."""
        LOGGER.critical("The device has failed; this worker ends")
        self._leave(self._heartbeat.attempts())

    def deaf(self) -> None:
        """No message arrives here any more; no job is to blame."""
        self._leave([])

    def _leave(self, lost: Sequence[Attempt], *, stalled: Sequence[str] = ()) -> None:
        # First of all: a database that is away must not keep a process that is of no use.
        timer = threading.Timer(SECONDS_TO_LEAVE, os._exit, (EXIT_BROKEN,))
        timer.daemon = True
        timer.start()
        try:
            self._heartbeat.release_all(but=lost)
            self._ledger.reap([self._worker], stalled=stalled)
            self._worker_registry.leave(self._worker)
        except BrushworkError as error:
            LOGGER.warning("Its jobs wait until their leases run out: %s", error)
        os._exit(EXIT_BROKEN)
