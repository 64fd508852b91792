"""Finds what was lost: leases that ran out, and queued jobs whose message is gone. Safe in any number."""

import logging

from brushwork_schemas.broker import Publisher
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.kinds import KINDS
from brushwork_schemas.ledger import Dispatch, Ledger

LOGGER = logging.getLogger(__name__)
MOST_AT_ONCE = 1000


class Reconciler:
    """One sweep sets right what crashes, restarts and lost messages left behind.

    Args:
        ledger: Holds the jobs.
        index: Counts the queued ones.
        publisher: Sends their messages.
        redispatch_after_s: How long a message may be on its way before it counts as gone.
    """

    def __init__(
        self, ledger: Ledger, index: JobIndex, publisher: Publisher, *, redispatch_after_s: float
    ) -> None:
        self._ledger = ledger
        self._index = index
        self._publisher = publisher
        self._redispatch_after_s = redispatch_after_s

    def sweep(self) -> None:
        """Reap expired leases, then publish what waits in the ledger but not in the queue."""
        reaped = self._ledger.reap()
        for job_id in reaped.queued:
            LOGGER.warning("Job %s lost its worker and is queued again", job_id)
        for job_id in reaped.failed:
            LOGGER.error("Job %s lost its worker once too often and has failed", job_id)
        queued = self._index.num_queued()
        for kind in KINDS.keys() & queued.keys():
            self._publish(self._ledger.dispatch(kind, MOST_AT_ONCE, older_than_s=None))
            # Messages that wait are no reason to send more; only the difference can be lost.
            num_lost = queued[kind] - self._publisher.num_waiting(kind)
            self._publish(
                self._ledger.dispatch(
                    kind, min(num_lost, MOST_AT_ONCE), older_than_s=self._redispatch_after_s
                )
            )

    def _publish(self, jobs: list[Dispatch]) -> None:
        if not jobs:
            return
        if self._publisher.publish(jobs):
            LOGGER.info("Published %d jobs of %s again", len(jobs), jobs[0].kind)
        else:
            self._ledger.undispatch([job.job_id for job in jobs])
