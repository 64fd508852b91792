"""Redis behind Sentinel: the address of the broker and the options with which kombu finds the master."""

from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.backoff import NoBackoff
from redis.retry import Retry

from brushwork_core.settings.groups import ServiceSettings

SCHEME = "sentinel"
SEPARATOR = ";"


def uses_sentinel(settings: ServiceSettings) -> bool:
    """Return whether the address of the broker names sentinels."""
    return settings.redis_url.get_secret_value().startswith(f"{SCHEME}://")


def broker_address(settings: ServiceSettings) -> str:
    """Return the address of the broker as kombu reads it.

    kombu takes user, password and number of the database from the first of several sentinels. An operator may
    have written them at any of them, so each gets them.
    """
    url = settings.redis_url.get_secret_value()
    if not uses_sentinel(settings):
        return url
    parts = [urlsplit(each) for each in url.split(SEPARATOR)]
    user = next((part.netloc.rpartition("@")[0] for part in parts if "@" in part.netloc), "")
    path = next((part.path for part in parts if part.path.strip("/")), "/0")
    return SEPARATOR.join(_address(part, user, path) for part in parts)


def _address(part: SplitResult, user: str, path: str) -> str:
    host = part.netloc.rpartition("@")[2]
    return f"{SCHEME}://{user}@{host}{path}" if user else f"{SCHEME}://{host}{path}"


def sentinel_options(settings: ServiceSettings, timeout_s: float) -> dict[str, Any]:
    """Return the transport options for the sentinels; none where the address names no sentinel.

    Args:
        settings: Address of the broker, name of its master, and password of the sentinels.
        timeout_s: Seconds for a connection to a sentinel, and for its reply.
    """
    if not uses_sentinel(settings):
        return {}
    password = settings.redis_sentinel_password
    return {
        "master_name": settings.redis_sentinel_master,
        "sentinel_kwargs": {
            "password": password.get_secret_value() if password else None,
            "socket_connect_timeout": timeout_s,
            "socket_timeout": timeout_s,
            # By default redis-py asks a dead sentinel again for seconds, before it asks the next one.
            "retry": Retry(NoBackoff(), 0),
        },
    }
