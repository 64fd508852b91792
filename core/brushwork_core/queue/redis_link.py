"""Redis spoken to directly, at the very address and with the very options that Celery uses."""

from typing import Any

import redis

from brushwork_core.queue.broker import celery_app
from brushwork_core.settings.settings import Settings


class RedisLink:
    """A Redis client over the broker's address, whatever its scheme: also sockets, TLS and sentinels.

    Args:
        settings: Where Redis is.
        timeout_s: How long a connection and an answer may take.
        max_connections: Most of them at once.
    """

    def __init__(self, settings: Settings, *, timeout_s: float, max_connections: int = 10) -> None:
        self._celery = celery_app(settings, socket_timeout_s=timeout_s)
        self._celery.conf.broker_transport_options["max_connections"] = max_connections
        self._connection: Any = None
        self._pool: Any = None

    def pool(self) -> "redis.ConnectionPool":
        """The connections.

        Raises:
            Exception: Redis does not answer: kombu's OperationalError, RedisError or OSError.
        """
        if self._connection is None:
            connection = self._celery.connection_for_write()
            # To open a channel is to be answered.
            self._pool = connection.default_channel.pool
            self._connection = connection
        pool: redis.ConnectionPool = self._pool
        return pool

    def client(self) -> "redis.Redis":
        """A client over these connections.

        Raises:
            Exception: As `pool`.
        """
        return redis.Redis(connection_pool=self.pool())

    def close(self) -> None:
        """Close them all."""
        if self._connection is not None:
            self._connection.release()
        self._celery.close()
