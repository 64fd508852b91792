"""All connections of a gateway process: how many there may be, and which one makes room for a new one."""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Protocol

from brushwork.gateway.connections.endings import Ending
from brushwork.gateway.connections.limits import ConnectionLimits

LOGGER = logging.getLogger(__name__)
# Ended connections are logged together, at most once in so many seconds: an attack must not fill the log.
LOG_EVERY_S = 10.0
# The end of a request wakes up its task, which takes a millisecond; that of a head takes a tenth of it. Many
# at once would delay all others. So many end in a tenth of a second, thus 4,000 heads in four seconds.
MOST_ENDED = 20
MOST_HEADS_ENDED = 100


class HeldConnection(Protocol):
    """A connection as the others see it."""

    def overdue(self, now: float) -> Ending | None:
        """Return why it must end now, because its client is too slow; None if it may go on."""

    def end(self, ending: Ending) -> None:
        """End it, with an answer if there is none yet."""

    def drop(self) -> None:
        """Close it at once, without an answer."""


class Connections:
    """Counts connections and ends those that are too slow. Use it only in the event loop.

    A connection waits while the gateway needs bytes of its client: for a head, for a body, or idle between
    two requests. If there is no room for a new one, the one that has waited longest is closed. So unfinished
    requests, however many, keep nobody out. Callers are not told apart by their address: behind a proxy all
    have the same.

    Args:
        limits: The limits.
        on_end: Called with the reason of each connection that was ended, for the metrics.
        on_change: Called with the number of open connections.
        clock: Returns seconds of a clock that never goes back.
    """

    def __init__(
        self,
        limits: ConnectionLimits,
        *,
        on_end: Callable[[Ending], None] = lambda _: None,
        on_change: Callable[[int], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.clock = clock
        self._on_end = on_end
        self._on_change = on_change
        self._open: set[HeldConnection] = set()
        self._waiting: OrderedDict[HeldConnection, None] = OrderedDict()
        self._shared_head_bytes = 0
        self._overdue: dict[HeldConnection, Ending] = {}
        self._ended: Counter[Ending] = Counter()
        self._logged_at = float("-inf")

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: HeldConnection) -> bool:
        """Add a new connection, in place of the one that has waited longest if there is no room.

        Returns:
            Whether there is room. If not, every other connection is busy.
        """
        if len(self._open) >= self.limits.most:
            if not self._waiting:
                self.note(Ending.FULL)
                return False
            oldest = next(iter(self._waiting))
            self.remove(oldest)
            self.note(Ending.REPLACED)
            oldest.drop()
        self._open.add(connection)
        self._waiting[connection] = None
        self._on_change(len(self._open))
        return True

    def remove(self, connection: HeldConnection) -> None:
        """Remove a connection that is closed. It may have been removed before."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._overdue.pop(connection, None)
        self._on_change(len(self._open))

    def waits(self, connection: HeldConnection) -> None:
        """Note that the gateway waits for bytes of this connection, from now on."""
        if connection in self._open:
            self._waiting[connection] = None
            self._waiting.move_to_end(connection)

    def works(self, connection: HeldConnection) -> None:
        """Note that the gateway has the whole request. The connection is not closed to make room."""
        self._waiting.pop(connection, None)

    def holds_head(self, difference: int) -> bool:
        """Count bytes of long heads, and return whether all of them together are within the limit.

        Args:
            difference: Bytes that have come, or, if negative, that are no longer held.
        """
        self._shared_head_bytes += difference
        return difference <= 0 or self._shared_head_bytes <= self.limits.shared_head_bytes

    def note(self, ending: Ending) -> None:
        """Count a connection that is ended, or whose request is refused."""
        self._on_end(ending)
        self._ended[ending] += 1

    def look(self) -> None:
        """Find the connections that are too slow. Call it twice a second or so, and `end_some` more often."""
        now = self.clock()
        for connection in list(self._open):
            ending = connection.overdue(now)
            if ending is not None:
                self._overdue.setdefault(connection, ending)
        self._log(now)

    def end_some(self) -> None:
        """End some of the connections that were found too slow."""
        left = {True: MOST_HEADS_ENDED, False: MOST_ENDED}
        for connection, ending in list(self._overdue.items()):
            is_head = ending is Ending.SLOW_HEAD
            if left[is_head]:
                left[is_head] -= 1
                del self._overdue[connection]
                connection.end(ending)

    def _log(self, now: float) -> None:
        if not self._ended or now - self._logged_at < LOG_EVERY_S:
            return
        LOGGER.warning(
            "%d connections were ended: %s. Now %d of at most %d are open.",
            self._ended.total(),
            ", ".join(f"{name} {number}" for name, number in sorted(self._ended.items())),
            len(self._open),
            self.limits.most,
        )
        self._ended.clear()
        self._logged_at = now
