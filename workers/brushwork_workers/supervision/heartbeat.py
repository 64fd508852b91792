"""The worker's heartbeat: renews all leases in one statement, and learns which jobs must stop."""

import logging
from collections.abc import Collection, Iterable

from brushwork_core.ledger import Ledger, Signal, WriteOutcome

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.running_attempts import RunningAttempts

LOGGER = logging.getLogger(__name__)


class Heartbeat:
    """Renews the leases of all running attempts.

    Args:
        ledger: Holds the leases.
        worker: Name of this process in the ledger.
        running: The attempts that this process runs.
    """

    def __init__(self, ledger: Ledger, worker: str, running: RunningAttempts) -> None:
        self._ledger = ledger
        self._worker = worker
        self._running = running
        self._strays: set[tuple[str, int]] = set()

    def beat(self, stalled: Collection[Attempt] = ()) -> None:
        """Renew the leases once.

        An attempt whose lease was not renewed is lost. A stray lease, which no thread works on, is given
        back.

        Args:
            stalled: Attempts that are hung; their leases are not renewed.
        """
        before = self._running.attempts()
        renewed = self._ledger.renew(self._worker, without=[attempt.claim.job_id for attempt in stalled])
        for attempt in before:
            attempt.receive(renewed.get(attempt.key, Signal.LOST))
        self._give_back_strays(renewed.keys() - _keys(before) - _keys(self._running.attempts()))

    def release_all(self, but: Collection[Attempt] = ()) -> int:
        """Give every running job back to the ledger, without charging the attempt.

        Their threads end at the next step.

        Args:
            but: Attempts that are not given back.

        Returns:
            How many were given back.
        """
        released = 0
        for attempt in self._running.attempts():
            if attempt in but:
                continue
            released += self._ledger.release(*attempt.key) is WriteOutcome.APPLIED
            attempt.receive(Signal.LOST)
        return released

    def _give_back_strays(self, strays: set[tuple[str, int]]) -> None:
        """Give back leases that no thread of this process works on.

        The answer to the claim was lost on its way, or the end of the attempt could not be written. If the
        lease were renewed for ever, the job would never run again. A lease that is seen for the first time
        may have been claimed just now, so only those seen twice are given back.
        """
        for job_id, fence in strays & self._strays:
            if self._ledger.release(job_id, fence) is WriteOutcome.APPLIED:
                LOGGER.warning(
                    "Job %s was claimed by this worker but is not running; it is queued again",
                    job_id,
                    extra={"job": job_id},
                )
        self._strays = strays


def _keys(attempts: Iterable[Attempt]) -> set[tuple[str, int]]:
    return {attempt.key for attempt in attempts}
