"""Publish the messages of new jobs, up to the limit of messages in Redis."""

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
    """Publishes the messages of the first new jobs. A worker publishes the messages of the others later.

    Args:
        settings: Address of Redis, and how many messages of a kind it may hold (`queue_ahead`).
        ledger: Records which messages could not be published.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._queue_ahead = settings.queue_ahead
        self._ledger = ledger
        self._celery = celery_app(settings)
        self._publisher = Publisher(self._celery)

    def with_room(self, jobs: Sequence[NewJob]) -> Sequence[NewJob]:
        """Return the jobs whose messages Redis has room for. The others wait in the ledger."""
        try:
            room = Counter({kind: self._room(kind) for kind in {job.kind for job in jobs}})
        except ServiceUnreachable as error:
            LOGGER.warning("Jobs are accepted, and a worker will publish their messages later: %s", error)
            return []
        first = []
        for job in jobs:
            if room[job.kind] > 0:
                room[job.kind] -= 1
                first.append(job)
        return first

    def send(self, jobs: Sequence[NewJob]) -> None:
        """Publish the messages of these jobs, if Redis answers."""
        if not jobs:
            return
        if not self._publisher.publish([Dispatch.of(job) for job in jobs]):
            # This only speeds things up: a missing message is noticed later anyway.
            with suppress(ServiceUnreachable):
                self._ledger.undispatch([job.id for job in jobs])

    def close(self) -> None:
        """Close the connections to Redis."""
        self._celery.close()

    def _room(self, kind: str) -> int:
        return self._queue_ahead - self._publisher.num_waiting(kind)
