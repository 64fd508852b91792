"""Check Redis: whether it answers, its eviction policy and its persistence."""

import time
from collections.abc import Iterator
from typing import Any

from brushwork_core.queue.redis_link import RedisLink
from brushwork_core.queue.sentinel import error_text, uses_sentinel
from brushwork_core.settings.settings import Settings
from kombu.exceptions import OperationalError
from redis import RedisError

from brushwork.doctor.finding import Finding, Level, fail, ok, warn
from brushwork.doctor.sentinel_check import check_sentinels

ABOUT = "redis"
TIMEOUT_S = 2.0
SLOW_MS = 50.0


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Check connection, speed, eviction and persistence."""
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
    yield _speed(str(info.get("redis_version", "of an unknown version")), took_ms)
    yield _eviction(info)
    yield _persistence(info)


def _speed(version: str, took_ms: float) -> Finding:
    message = f"Redis {version} answers in {took_ms:.1f} ms."
    if took_ms > SLOW_MS:
        return warn(
            ABOUT, message, "Run Redis closer to this machine: every submit and every worker waits for it."
        )
    return ok(ABOUT, message)


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
