"""Check Redis: whether it answers, its program and version, its eviction policy and its persistence."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from brushwork_core.queue.redis_link import RedisLink
from brushwork_core.queue.sentinel import error_text, uses_sentinel
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import MissingExtra
from kombu.exceptions import OperationalError
from redis import RedisError

from brushwork.doctor.finding import Finding, Level, fail, ok, warn
from brushwork.doctor.sentinel_check import check_sentinels
from brushwork.embedded.redis_program import (
    RedisVersion,
    choose,
    installed,
    is_of_distribution,
    outdated,
)
from brushwork.hosts import is_loopback

ABOUT = "redis"
TIMEOUT_S = 2.0
SLOW_MS = 50.0
SOCKETS = ("unix", "socket", "redis+socket")


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Check connection, speed, program, eviction and persistence."""
    if uses_sentinel(settings):
        findings = list(check_sentinels(settings))
        yield from findings
        if any(finding.level is Level.FAIL for finding in findings):
            return
    link = RedisLink(settings, timeout_s=TIMEOUT_S)
    try:
        client = link.client()
        asked_at = time.monotonic()
        client.ping()
        took_ms = 1000 * (time.monotonic() - asked_at)
        info: dict[str, Any] = client.info()
    except (RedisError, OperationalError, OSError) as error:
        yield fail(
            ABOUT,
            f"Redis does not answer: {error_text(error)}",
            "Check BRUSHWORK_REDIS_URL and its password, and that the server runs. Until then, jobs wait.",
        )
        return
    finally:
        link.close()
    version = _version(info)
    yield _speed(str(version or "Redis of an unknown version"), took_ms)
    if version is not None:
        yield _program(version, info, _is_here(settings))
    yield _eviction(info)
    yield _persistence(info)


def _speed(version: str, took_ms: float) -> Finding:
    message = f"{version} answers in {took_ms:.1f} ms."
    if took_ms > SLOW_MS:
        return warn(
            ABOUT, message, "Run Redis closer to this machine: every submit and every worker waits for it."
        )
    return ok(ABOUT, message)


def _version(info: dict[str, Any]) -> RedisVersion | None:
    # Valkey calls itself Redis 7.2.4 as well, for old clients.
    if "valkey_version" in info:
        return RedisVersion.read(f"Valkey {info['valkey_version']}")
    return RedisVersion.read(f"Redis {info.get('redis_version')}")


def _program(version: RedisVersion, info: dict[str, Any], is_here: bool) -> Finding:
    """Which program runs, and whether it has known vulnerabilities."""
    path = Path(str(info.get("executable") or ""))
    is_file = is_here and path.is_absolute() and path.is_file()
    message = f"It runs {path}{_why(path)}." if is_file else "Its program is not on this machine."
    if not version.is_outdated:
        return ok(ABOUT, f"{message} {version} has the security fixes that are known here.")
    if is_file and is_of_distribution(path):
        return ok(ABOUT, f"{message} Its security fixes come with the packages of this machine.")
    return warn(ABOUT, f"{message} {outdated(version)}", "Update Redis, or use Valkey.")


def _is_here(settings: Settings) -> bool:
    """Whether Redis runs on this machine, as far as its address says so."""
    address = urlsplit(settings.redis_url.get_secret_value())
    return address.scheme in SOCKETS or is_loopback(address.hostname or "")


def _why(path: Path) -> str:
    """Why `brushwork up` has chosen this program; nothing if it would choose another."""
    try:
        chosen = choose(installed())
    except MissingExtra:
        return ""
    is_same = chosen.program.path.resolve() == path.resolve()
    return f", {chosen.reason}" if is_same else f"; `brushwork up` chooses {chosen}"


def _eviction(info: dict[str, Any]) -> Finding:
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ok(ABOUT, "Redis evicts no messages when its memory is full.")
    return warn(
        ABOUT,
        f"Redis evicts messages when its memory is full: maxmemory-policy is {policy}.",
        "Set maxmemory-policy noeviction. Lost messages are sent again from the database, but with a delay.",
    )


def _persistence(info: dict[str, Any]) -> Finding:
    if info.get("aof_enabled"):
        return ok(ABOUT, "Redis keeps an append-only file.")
    return warn(
        ABOUT,
        "Redis keeps no append-only file: a restart loses all messages.",
        "Set appendonly yes. Lost messages are sent again from the database, but with a delay.",
    )
