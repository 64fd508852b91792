"""How many requests each key makes in a minute: counted in Redis, or while it is away, by each process."""

import logging
import math
import threading
import time
from dataclasses import dataclass

from brushwork_core.queue.redis_link import RedisLink
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import RateLimited
from kombu.exceptions import OperationalError
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError

LOGGER = logging.getLogger(__name__)
WINDOW_S = 60
# A request waits so long for Redis at most, and after one that waited in vain nobody does for a while.
REDIS_TIMEOUT_S = 0.25
COOL_DOWN_S = 5.0
# As many as threads that answer requests.
MAX_CONNECTIONS = 64
PREFIX = "brushwork:rate"
_NO_ANSWER = (RedisError, OperationalError, OSError)


@dataclass(frozen=True)
class Allowance:
    """What is left of a key's minute.

    Args:
        limit: Requests a minute.
        remaining: How many more may come now.
        reset_s: When the oldest that counts will be a minute old.
    """

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers has them."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"key";r={self.remaining};t={self.reset_s}',
        }


class Rate:
    """Counts requests over a moving minute. Redis may be slow or away: then each process counts its own.

    Args:
        settings: Where Redis is.
    """

    def __init__(self, settings: Settings) -> None:
        self._link = RedisLink(settings, timeout_s=REDIS_TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._shared: MovingWindowRateLimiter | None = None
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared_again_at = 0.0

    def count(self, key_id: str, per_minute: int) -> Allowance:
        """Count one request.

        Raises:
            RateLimited: It is one too many; it does not count.
        """
        item = RateLimitItemPerMinute(per_minute)
        try:
            return _counted(self._limiter(), item, key_id)
        except _NO_ANSWER as error:
            self._cool_down(error)
        return _counted(self._own, item, key_id)

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _limiter(self) -> MovingWindowRateLimiter:
        with self._lock:
            if time.monotonic() < self._shared_again_at:
                return self._own
            if self._shared is None:
                storage = RedisStorage("redis://", connection_pool=self._link.pool(), key_prefix=PREFIX)
                self._shared = MovingWindowRateLimiter(storage)
            return self._shared

    def _cool_down(self, error: Exception) -> None:
        LOGGER.warning("Redis is silent, so this process counts requests by itself: %s", error)
        self._shared_again_at = time.monotonic() + COOL_DOWN_S


def _counted(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, key_id: str) -> Allowance:
    is_allowed = limiter.hit(item, key_id)
    stats = limiter.get_window_stats(item, key_id)
    reset_s = max(1, math.ceil(stats.reset_time - time.time()))
    if not is_allowed:
        raise RateLimited(
            f"The key may make {item.amount} requests a minute, and has made them.",
            retry_after_s=reset_s,
            hint="Wait as long as Retry-After says; `Prefer: wait` and event streams need fewer requests.",
        )
    return Allowance(item.amount, max(0, stats.remaining), reset_s)
