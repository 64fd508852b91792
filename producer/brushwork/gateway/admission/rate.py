"""The request rate of API keys, counted in Redis. While Redis does not answer, each process counts itself."""

import logging
import math
import threading
import time
from dataclasses import dataclass

from brushwork_core.queue.redis_link import RedisLink
from brushwork_core.queue.sentinel import error_text
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import RateLimited
from brushwork_schemas.wording.phrase import said
from kombu.exceptions import OperationalError
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError

LOGGER = logging.getLogger(__name__)
WINDOW_S = 60
# A request waits at most so long for Redis. After a timeout, no request waits for Redis for COOL_DOWN_S.
REDIS_TIMEOUT_S = 0.25
COOL_DOWN_S = 5.0
# The number of threads that answer requests.
MAX_CONNECTIONS = 64
PREFIX = "brushwork:rate"
_UNREACHABLE = (RedisError, OperationalError, OSError)


@dataclass(frozen=True)
class Allowance:
    """What is left of the request rate of a key.

    Args:
        limit: Requests per minute.
        remaining: Requests that are still allowed now.
        reset_s: Seconds until the oldest counted request is a minute old.
    """

    limit: int
    remaining: int
    reset_s: int

    def headers(self) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW_S}',
            "RateLimit": f'"key";r={self.remaining};t={self.reset_s}',
        }


class Rate:
    """Counts requests over a moving minute.

    Args:
        settings: Settings with the address of Redis.
    """

    def __init__(self, settings: Settings) -> None:
        self._link = RedisLink(settings, timeout_s=REDIS_TIMEOUT_S, max_connections=MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._shared: MovingWindowRateLimiter | None = None
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._shared_again_at = 0.0

    def count(self, key_id: str, per_minute: int) -> Allowance:
        """Count one request, and return what is left.

        Args:
            key_id: Id of the API key.
            per_minute: Requests that the key may make in a minute.

        Raises:
            RateLimited: The key has used up its requests. The refused request does not count.
        """
        item = RateLimitItemPerMinute(per_minute)
        try:
            return _counted(self._limiter(), item, key_id)
        except _UNREACHABLE as error:
            self._cool_down(error)
        return _counted(self._local, item, key_id)

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _limiter(self) -> MovingWindowRateLimiter:
        with self._lock:
            if time.monotonic() < self._shared_again_at:
                return self._local
            if self._shared is None:
                storage = RedisStorage("redis://", connection_pool=self._link.pool(), key_prefix=PREFIX)
                self._shared = MovingWindowRateLimiter(storage)
            return self._shared

    def _cool_down(self, error: Exception) -> None:
        LOGGER.warning(
            "Redis does not answer. This process counts requests by itself for now: %s", error_text(error)
        )
        self._shared_again_at = time.monotonic() + COOL_DOWN_S


def _counted(limiter: MovingWindowRateLimiter, item: RateLimitItemPerMinute, key_id: str) -> Allowance:
    is_allowed = limiter.hit(item, key_id)
    stats = limiter.get_window_stats(item, key_id)
    reset_s = max(1, math.ceil(stats.reset_time - time.time()))
    if not is_allowed:
        raise RateLimited(
            said("Too many requests. The limit of this API key is {amount} per minute.", amount=item.amount),
            retry_after_s=reset_s,
            hint="Wait as long as Retry-After says. `Prefer: wait` and event streams need fewer requests.",
        )
    return Allowance(item.amount, max(0, stats.remaining), reset_s)
