"""Direct access to Redis, with the same address and options as Celery."""

from typing import Any

import redis

from brushwork_core.queue.broker import celery_app
from brushwork_core.settings.settings import Settings


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
