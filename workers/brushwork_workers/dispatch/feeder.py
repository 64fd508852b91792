"""Publishes jobs of the backlog, only a few of each kind at a time, so that urgent jobs get through."""

import logging
import threading
from collections.abc import Sequence

from brushwork_core.ledger import Dispatch, Ledger
from brushwork_core.queue.broker import Publisher
from brushwork_schemas.errors import ServiceUnreachable

LOGGER = logging.getLogger(__name__)


class Feeder:
    """Publishes queued jobs while Redis holds fewer than `queue_ahead` messages of their kind.

    Jobs of a tenant that runs fewer jobs than its share are published in any case, before all others.

    Any number of feeders may run: each job is dispatched by one of them.

    Args:
        ledger: Holds the backlog.
        publisher: Sends the messages.
        kinds: The kinds to publish jobs of.
        queue_ahead: Most messages of a kind in Redis.
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
        """Set when `feed` should be called at once."""
        return self._wanted

    def message_taken(self) -> None:
        """Note that a message was taken; sets `wanted` once half of the messages may be used up."""
        # Counted without a lock: an inexact number does no harm.
        self._num_taken += 1
        if self._num_taken >= self._queue_ahead // 2:
            self._num_taken = 0
            self._wanted.set()

    def feed(self) -> None:
        """Publish as many jobs as there is room for."""
        self._wanted.clear()
        try:
            for kind in self._kinds:
                if self._ledger.has_backlog(kind):
                    self._top_up(kind)
        except ServiceUnreachable as error:
            # The reconciler logs it too, but not four times a second.
            LOGGER.debug("The backlog could not be published: %s", error)

    def _top_up(self, kind: str) -> None:
        self._publish(self._ledger.dispatch_overdue(kind))
        room = self._queue_ahead - self._publisher.num_waiting(kind)
        jobs = self._ledger.dispatch(kind, room, after_tenant=self._last_tenant.get(kind))
        if not jobs:
            return
        self._last_tenant[kind] = jobs[-1].tenant
        self._publish(jobs)

    def _publish(self, jobs: Sequence[Dispatch]) -> None:
        if jobs and not self._publisher.publish(jobs):
            self._ledger.undispatch([job.job_id for job in jobs])
