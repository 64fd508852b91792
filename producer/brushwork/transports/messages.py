"""Wake workers for new jobs, by a few messages."""

import logging
import time
from collections.abc import Sequence

from brushwork_core.ledger import NewJob, WakeUp
from brushwork_core.queue.broker import Publisher, celery_app
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable

LOGGER = logging.getLogger(__name__)
# Each message wakes one worker, which takes as many jobs as it has room for.
MOST_AT_ONCE = 8
# While there is room, Redis is asked for the number of its messages at most so often.
KEEP_ROOM_S = 0.1


class Messages:
    """Sends the messages of the first new jobs. Workers look for the others themselves.

    Args:
        settings: Address of Redis, and how many messages of a kind it may hold (`queue_ahead`).
    """

    def __init__(self, settings: Settings) -> None:
        self._queue_ahead = settings.queue_ahead
        self._celery = celery_app(settings)
        self._publisher = Publisher(self._celery)
        # Of each kind: the room for messages, and until when it is not asked for again.
        self._known_room: dict[str, tuple[int, float]] = {}

    def send(self, jobs: Sequence[NewJob]) -> None:
        """Send messages, if Redis answers and has room for them."""
        by_kind: dict[str, list[NewJob]] = {}
        for job in jobs:
            # A job that has to wait is found when its time has come.
            if job.not_before_ms is None:
                by_kind.setdefault(job.kind, []).append(job)
        try:
            first = [
                WakeUp.of(job)
                for kind, some in by_kind.items()
                for job in some[: self._taken_room(kind, min(MOST_AT_ONCE, len(some)))]
            ]
        except ServiceUnreachable as error:
            LOGGER.warning("Jobs are accepted, and workers will find them without messages: %s", error)
            return
        if first:
            self._publisher.publish(first)

    def close(self) -> None:
        """Close the connections to Redis."""
        self._celery.close()

    def _taken_room(self, kind: str, wanted: int) -> int:
        """How many messages may be sent. They count as sent from now on."""
        room, until = self._known_room.get(kind, (0, 0.0))
        if room < wanted or time.monotonic() >= until:
            room = max(0, self._queue_ahead - self._publisher.num_waiting(kind))
            until = time.monotonic() + KEEP_ROOM_S
        taken = min(room, wanted)
        # Without a lock: a message too many does no harm.
        self._known_room[kind] = room - taken, until
        return taken
