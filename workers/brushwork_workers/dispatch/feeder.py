"""Publishes jobs of the backlog, only a few of each kind at a time, so that urgent jobs get through."""

from collections.abc import Sequence
from contextlib import suppress

from brushwork_core.ledger import Dispatch, Ledger
from brushwork_core.queue.broker import Publisher
from brushwork_schemas.errors import ServiceUnreachable


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

    def feed(self) -> None:
        """Publish as many jobs as there is room for, of the kinds that have a backlog."""
        with suppress(ServiceUnreachable):
            self.top_up(self._ledger.kinds_with_backlog(self._kinds))

    def top_up(self, kinds: Sequence[str]) -> None:
        """Publish as many jobs of these kinds as there is room for.

        Raises:
            ServiceUnreachable: The ledger or Redis does not answer.
        """
        for kind in kinds:
            self._top_up(kind)

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
