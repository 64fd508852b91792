"""The embedded Redis: a server program of this machine, with an append-only file and a password."""

import signal
from collections.abc import Iterator
from pathlib import Path

import redis

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder, write_private
from brushwork.embedded.redis_program import Choice, RedisVersion, choose, installed

GRACE_S = 10.0
CONNECT_TIMEOUT_S = 1.0
# The server that has written the files beside it.
WRITER = "written_by"
UPDATE = "Install a newer redis-server or valkey-server on this machine: it is preferred at the next start."


def choice(folder: DataFolder) -> Choice:
    """Choose the server for a data folder, and note it there: the next start must be able to read its files.

    Raises:
        MissingExtra: There is no server program.
        ServiceMisconfigured: No server program can read the files of the last start.
    """
    note = folder.redis / WRITER
    writer = RedisVersion.read(note.read_text("utf-8")) if note.exists() else None
    chosen = choose(installed(), writer)
    write_private(note, f"{chosen.program.version}\n")
    return chosen


def notices(chosen: Choice) -> Iterator[str]:
    """Yield what the log should say about a server: which one runs and why, and what is wrong with it."""
    yield f"{chosen}."
    if warning := chosen.program.warning():
        yield f"Warning: {warning} {UPDATE}"


def redis_server(folder: DataFolder, chosen: Choice | None = None) -> tuple[Part, str]:
    """The part that runs Redis for a data folder, and the address at which it will listen.

    Args:
        folder: The data folder.
        chosen: The server; by default the one of `choice`.

    Raises:
        MissingExtra: There is no server program.
        ServiceMisconfigured: No server program can read the files of the last start.
    """
    program = (chosen or choice(folder)).program.path
    port, password = folder.port("redis"), folder.secret("redis")
    config = folder.path / "redis.conf"
    write_private(config, _config(port, password, folder.redis))
    # Redis writes its file on SIGTERM, so data is safe if this process dies.
    part = Part("redis", (str(program), str(config)), grace_s=GRACE_S, orphan_signal=signal.SIGTERM)
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
