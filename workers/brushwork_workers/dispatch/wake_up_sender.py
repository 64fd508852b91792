"""Wakes idle workers for jobs that wait without a message."""

from collections.abc import Sequence

from brushwork_core.ledger import Ledger
from brushwork_core.queue.broker import Publisher

# Of one kind, and at once. Each message wakes one worker.
MOST_AT_ONCE = 64


class WakeUpSender:
    """Sends messages while Redis holds fewer than `queue_ahead` of a kind: a worker with room takes one.

    Args:
        ledger: Holds the jobs.
        publisher: Sends the messages.
        queue_ahead: Most messages of a kind in Redis.
    """

    def __init__(self, ledger: Ledger, publisher: Publisher, queue_ahead: int) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._most = min(queue_ahead, MOST_AT_ONCE)

    def send(self, kinds: Sequence[str]) -> None:
        """Send messages for these kinds, as many as jobs wait and as there is room for.

        Raises:
            ServiceUnreachable: The ledger or Redis does not answer.
        """
        for kind in kinds:
            # Where messages wait, no worker has room.
            room = self._most - self._publisher.num_waiting(kind)
            if room > 0 and (wake_ups := self._ledger.wake_ups(kind, room)):
                self._publisher.publish(wake_ups)
