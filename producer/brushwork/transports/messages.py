"""The messages of new jobs, as far as Redis has room for them."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from brushwork_core.ledger import Dispatch, Ledger, NewJob
from brushwork_core.queue.broker import Publisher, celery_app
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable

LOGGER = logging.getLogger(__name__)


class Messages:
    """Sends a message for each job whose turn it is; a worker sends the others'.

    Args:
        settings: Where Redis is, and how many messages of a kind may lie in it.
        ledger: Hears of those that could not be sent.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._queue_ahead = settings.queue_ahead
        self._ledger = ledger
        self._celery = celery_app(settings)
        self._publisher = Publisher(self._celery)

    def with_room(self, jobs: Sequence[NewJob]) -> Sequence[NewJob]:
        """Those for whose messages there is room in Redis; the others wait in the ledger."""
        try:
            room = Counter({kind: self._room(kind) for kind in {job.kind for job in jobs}})
        except ServiceUnreachable as error:
            LOGGER.warning("A worker will publish what is submitted now: %s", error)
            return []
        first = []
        for job in jobs:
            if room[job.kind] > 0:
                room[job.kind] -= 1
                first.append(job)
        return first

    def send(self, jobs: Sequence[NewJob]) -> None:
        """Send theirs, if Redis answers."""
        if not jobs:
            return
        if not self._publisher.publish([Dispatch.of(job) for job in jobs]):
            # Only to have it sent sooner: in the end, a job whose message is missing is noticed anyway.
            with suppress(ServiceUnreachable):
                self._ledger.undispatch([job.id for job in jobs])

    def close(self) -> None:
        """Close the connections to Redis."""
        self._celery.close()

    def _room(self, kind: str) -> int:
        return self._queue_ahead - self._publisher.num_waiting(kind)
