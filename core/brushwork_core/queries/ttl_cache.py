"""An answer that is good for a moment, so that asking often costs little."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")
# At most a twentieth of the time goes into asking.
AS_LONG_AS_IT_TOOK = 20


class TtlCache(Generic[_Answer]):
    """Asks anew once the last answer is old; whoever comes meanwhile gets the old one and does not wait.

    Args:
        ask: Gives an answer.
        keep_s: For how long it is good, and for 20 times as long as it took, if that is more.
    """

    def __init__(self, ask: Callable[[], _Answer], keep_s: float) -> None:
        self._ask = ask
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._known: tuple[_Answer] | None = None
        self._until = 0.0

    def get(self) -> _Answer:
        """The answer; an error of asking is the caller's, and the next one asks again."""
        known = self._known
        if known is not None and time.monotonic() < self._until:
            return known[0]
        if not self._lock.acquire(blocking=known is None):
            # Only where there is an older answer does nobody wait.
            return known[0]  # type: ignore[index]
        try:
            if self._known is None or time.monotonic() >= self._until:
                began = time.monotonic()
                self._known = (self._ask(),)
                now = time.monotonic()
                self._until = now + max(self._keep_s, AS_LONG_AS_IT_TOOK * (now - began))
            return self._known[0]
        finally:
            self._lock.release()
