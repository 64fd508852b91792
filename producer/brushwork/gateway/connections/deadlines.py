"""How fast the client of a connection sends its requests and reads the answers. Pure: it has no clock."""

from enum import Enum, auto

from brushwork.gateway.connections.endings import Ending
from brushwork.gateway.connections.limits import ConnectionLimits

# The first seconds of a body do not count for its rate: a client may have to read a disk first.
RATE_FROM_S = 15.0
# A body that is sent after the answer is complete is read so long, because many clients read only afterwards.
UNWANTED_BODY_S = 10.0


class Phase(Enum):
    """What the gateway waits for."""

    NOTHING = auto()
    """No bytes are expected: the gateway works, or the connection is idle between two requests."""
    HEAD = auto()
    """The rest of a head, or its first byte on a new connection."""
    BODY = auto()
    """The rest of a body."""


class Deadlines:
    """Decides when a connection has become too slow.

    Args:
        limits: The limits.
        now: Seconds of a clock that never goes back, at the start of the connection.
    """

    __slots__ = (
        *("_answered_at", "_began", "_excused_s", "_last", "_limits", "_looked", "_num_bytes", "_unread"),
        "phase",
    )

    def __init__(self, limits: ConnectionLimits, now: float) -> None:
        self._limits = limits
        self.phase = Phase.HEAD
        self._began = self._last = self._looked = now
        self._excused_s = 0.0
        self._num_bytes = 0
        self._answered_at: float | None = None
        self._unread: tuple[int, float] | None = None

    def head_began(self, now: float) -> None:
        """Note the first byte of a head."""
        if self.phase is not Phase.HEAD:
            self.phase, self._began = Phase.HEAD, now

    def body_began(self, now: float) -> None:
        """Note the end of a head."""
        self.phase, self._began, self._last, self._looked = Phase.BODY, now, now, now
        self._excused_s, self._num_bytes, self._answered_at = 0.0, 0, None

    def body_came(self, num_bytes: int, now: float) -> None:
        """Note bytes of the body."""
        self._num_bytes += num_bytes
        self._last = now

    def request_ended(self) -> None:
        """Note the end of a request."""
        self.phase = Phase.NOTHING

    def answered(self, now: float) -> None:
        """Note that the answer is complete, perhaps before the request is."""
        self._answered_at = now

    def overdue(self, now: float, *, is_held: bool, num_unread: int) -> Ending | None:
        """Return why the connection must end now; None if it may go on. Call it every second or so.

        Args:
            now: The time.
            is_held: Whether the gateway itself does not read at the moment. The client cannot help that.
            num_unread: Bytes of the answer that wait for the client to read; 0 unless there are many of them.
        """
        held_s, self._looked = now - self._looked, now
        if self._reads_slowly(now, num_unread):
            return Ending.SLOW_READER
        if self.phase is Phase.HEAD:
            return Ending.SLOW_HEAD if now - self._began > self._limits.head_s else None
        if self.phase is Phase.NOTHING:
            return None
        if self._answered_at is not None:
            return Ending.UNWANTED_BODY if now - self._answered_at > UNWANTED_BODY_S else None
        if is_held:
            self._last = now
            self._excused_s += held_s
            return None
        return Ending.SLOW_BODY if self._sends_slowly(now) else None

    def _sends_slowly(self, now: float) -> bool:
        took_s = now - self._began - self._excused_s
        is_rated = took_s > RATE_FROM_S
        too_few = is_rated and self._num_bytes < self._limits.body_bytes_s * (took_s - RATE_FROM_S)
        return too_few or now - self._last > self._limits.body_s

    def _reads_slowly(self, now: float, num_unread: int) -> bool:
        if not num_unread:
            self._unread = None
            return False
        before, since = self._unread or (num_unread, now)
        if self._unread is not None and now - since <= self._limits.answer_s:
            return False
        self._unread = (num_unread, now)
        fewest = max(1, round(self._limits.body_bytes_s * self._limits.answer_s))
        return now > since and before - num_unread < fewest
