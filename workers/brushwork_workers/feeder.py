"""Tops up Redis from the ledger: a few messages of each kind, so that whoever is urgent need not wait long."""

import threading
from collections.abc import Sequence

from brushwork_schemas.broker import Publisher
from brushwork_schemas.ledger import Ledger


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
        self._num_ended = 0

    @property
    def wanted(self) -> threading.Event:
        """Set when it should be fed at once and not only at the next round."""
        return self._wanted

    def job_ended(self) -> None:
        """There is room for another; half the messages may be used up by now."""
        # Counted without a lock: one more or less does no harm.
        self._num_ended += 1
        if self._num_ended >= self._queue_ahead // 2:
            self._num_ended = 0
            self._wanted.set()

    def has_backlog(self, kind: str) -> bool:
        """Whether jobs of `kind` wait in the ledger, so that nobody may overtake them."""
        return self._ledger.has_backlog(kind)

    def feed(self) -> None:
        """Publish what there is room for."""
        self._wanted.clear()
        for kind in self._kinds:
            if self._ledger.has_backlog(kind):
                self._top_up(kind)

    def _top_up(self, kind: str) -> None:
        room = self._queue_ahead - self._publisher.num_waiting(kind)
        jobs = self._ledger.dispatch(kind, room, after_tenant=self._last_tenant.get(kind))
        if not jobs:
            return
        self._last_tenant[kind] = jobs[-1].tenant
        if not self._publisher.publish(jobs):
            self._ledger.undispatch([job.job_id for job in jobs])
