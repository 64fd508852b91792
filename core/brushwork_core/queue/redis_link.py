"""Direct access to Redis, with the same address and options as Celery."""

import re
from typing import Any

import redis
from brushwork_schemas.errors import ServiceMisconfigured
from brushwork_schemas.wording.phrase import private, said
from kombu.exceptions import OperationalError

from brushwork_core.queue.broker import celery_app
from brushwork_core.queue.sentinel import error_text, expect_known_master, uses_sentinel
from brushwork_core.settings.settings import Settings

ACCESS_TIMEOUT_S = 2.0
# Redis answers and refuses: the same address will be refused again.
_REFUSED = re.compile(
    r"WRONGPASS|NOAUTH|NOPERM|invalid (username-password pair|password)|Authentication required"
    r"|AUTH .*without any password|DB index is out of range",
    re.IGNORECASE,
)


def expect_access(settings: Settings) -> None:
    """Check that Redis accepts the user and password of its address. A Redis that is away is not an error.

    Raises:
        ServiceMisconfigured: Redis or its sentinels refuse them, or the sentinels know no such master.
    """
    link = RedisLink(settings, timeout_s=ACCESS_TIMEOUT_S)
    try:
        link.client().ping()
    except (redis.RedisError, OperationalError, OSError) as error:
        if uses_sentinel(settings):
            expect_known_master(settings, ACCESS_TIMEOUT_S)
        if isinstance(error, redis.AuthenticationError) or _REFUSED.search(str(error)):
            raise ServiceMisconfigured(
                said("Redis refuses this program: {error}.", error=private(error_text(error).rstrip("."))),
                field="redis_url",
                hint="Check user, password and number of the database in BRUSHWORK_REDIS_URL.",
            ) from error
    finally:
        link.close()


class RedisLink:
    """A Redis client for the address of the broker, with any scheme: also sockets, TLS and sentinels.

    Args:
        settings: Address of Redis.
        timeout_s: Seconds for a connection and for a reply.
        max_connections: Maximum number of connections.
    """

    def __init__(self, settings: Settings, *, timeout_s: float, max_connections: int = 10) -> None:
        self._celery = celery_app(settings, socket_timeout_s=timeout_s)
        self._celery.conf.broker_transport_options["max_connections"] = max_connections
        self._connection: Any = None
        self._pool: Any = None

    def pool(self) -> "redis.ConnectionPool":
        """Return the connection pool.

        Raises:
            Exception: Redis does not answer: kombu's OperationalError, RedisError or OSError.
        """
        if self._connection is None:
            connection = self._celery.connection_for_write()
            # To open a channel needs a reply of Redis.
            self._pool = connection.default_channel.pool
            self._connection = connection
        pool: redis.ConnectionPool = self._pool
        return pool

    def client(self) -> "redis.Redis":
        """Return a client that uses the pool.

        Raises:
            Exception: Redis does not answer: kombu's OperationalError, RedisError or OSError.
        """
        return redis.Redis(connection_pool=self.pool())

    def close(self) -> None:
        """Close all connections."""
        if self._connection is not None:
            self._connection.release()
        self._celery.close()
