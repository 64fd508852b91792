"""Tops up Redis from the ledger: a few messages of each kind, so that the urgent need not wait long."""

import logging
import threading
from collections.abc import Sequence

from brushwork_core.ledger import Ledger
from brushwork_core.queue.broker import Publisher
from brushwork_schemas.errors import ServiceUnreachable

LOGGER = logging.getLogger(__name__)


class Feeder:
    """Publishes queued jobs that wait in the ledger, while Redis holds fewer than `queue_ahead`.

    Safe in any number: each job is dispatched by one of them.

    Args:
        ledger: Where the backlog is.
        publisher: Sends the messages.
        kinds: Whose queues.
        queue_ahead: Messages of a kind in Redis.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher, kinds: Sequence[str], queue_ahead: int) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._kinds = kinds
        self._queue_ahead = queue_ahead
        self._last_tenant: dict[str, str] = {}
        self._wanted = threading.Event()
        self._num_taken = 0

    @property
    def wanted(self) -> threading.Event:
        """Set when it should be fed at once and not only at the next round."""
        return self._wanted

    def message_taken(self) -> None:
        """There is room for another; half the messages may be used up by now."""
        # Counted without a lock: one more or less does no harm.
        self._num_taken += 1
        if self._num_taken >= self._queue_ahead // 2:
            self._num_taken = 0
            self._wanted.set()

    def feed(self) -> None:
        """Publish what there is room for."""
        self._wanted.clear()
        try:
            for kind in self._kinds:
                if self._ledger.has_backlog(kind):
                    self._top_up(kind)
        except ServiceUnreachable as error:
            # The reconciler says so too, and not four times a second.
            LOGGER.debug("Nothing was fed: %s", error)

    def _top_up(self, kind: str) -> None:
        room = self._queue_ahead - self._publisher.num_waiting(kind)
        jobs = self._ledger.dispatch(kind, room, after_tenant=self._last_tenant.get(kind))
        if not jobs:
            return
        self._last_tenant[kind] = jobs[-1].tenant
        if not self._publisher.publish(jobs):
            self._ledger.undispatch([job.job_id for job in jobs])
