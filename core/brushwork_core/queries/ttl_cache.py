"""A cache of one value, for queries that many callers repeat."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

_Value = TypeVar("_Value")
# A value is kept 20 times as long as its query took, so that queries take at most 5 % of the time.
QUERY_TIMES = 20


class TtlCache(Generic[_Value]):
    """Caches a value. While one thread queries a new value, the others get the old one without waiting.

    Args:
        query: Returns a new value.
        keep_s: Seconds for which a value is kept; or 20 times the duration of the query, if that is longer.
    """

    def __init__(self, query: Callable[[], _Value], keep_s: float) -> None:
        self._query = query
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._cached: tuple[_Value] | None = None
        self._until = 0.0

    def get(self) -> _Value:
        """Return the value. An error of the query is raised, and the next call queries again."""
        cached = self._cached
        if cached is not None and time.monotonic() < self._until:
            return cached[0]
        if not self._lock.acquire(blocking=cached is None):
            # Not acquired: there is an older value.
            return cached[0]  # type: ignore[index]
        try:
            if self._cached is None or time.monotonic() >= self._until:
                began = time.monotonic()
                self._cached = (self._query(),)
                now = time.monotonic()
                self._until = now + max(self._keep_s, QUERY_TIMES * (now - began))
            return self._cached[0]
        finally:
            self._lock.release()
