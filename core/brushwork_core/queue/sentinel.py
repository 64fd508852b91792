"""Redis behind Sentinel: the address of the broker and the options with which kombu finds the master."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import redis
from brushwork_schemas.errors import ServiceMisconfigured
from brushwork_schemas.wording.phrase import said
from redis.backoff import NoBackoff
from redis.credentials import UsernamePasswordCredentialProvider
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.retry import Retry

from brushwork_core.settings.groups import ServiceSettings

SCHEME = "sentinel"
SEPARATOR = ";"
# How redis-py names a sentinel in its errors: with all options of its client.
_CLIENT = re.compile(r"<redis\.client\.Redis\(.*?\bhost=([^,)]+),port=(\d+).*?\)>\)>\)>")
DEFAULT_PORT = 26379


@dataclass(frozen=True)
class SentinelView:
    """What one sentinel says.

    Args:
        address: Host and port of the sentinel.
        masters: What it knows of each master, by name.
        error: Why it says nothing; None if it answers.
    """

    address: str
    masters: dict[str, dict[str, Any]]
    error: redis.RedisError | None = None


def uses_sentinel(settings: ServiceSettings) -> bool:
    """Return whether the address of the broker names sentinels."""
    return settings.redis_url.get_secret_value().startswith(f"{SCHEME}://")


def broker_address(settings: ServiceSettings) -> str:
    """Return the address of the broker as kombu reads it.

    kombu takes user, password and number of the database from the first of several sentinels. An operator may
    have written them at any of them, so each gets them.
    """
    if not uses_sentinel(settings):
        return settings.redis_url.get_secret_value()
    parts = _parts(settings)
    user = next((part.netloc.rpartition("@")[0] for part in parts if "@" in part.netloc), "")
    path = next((part.path for part in parts if part.path.strip("/")), "/0")
    return SEPARATOR.join(_address(part, user, path) for part in parts)


def sentinel_options(settings: ServiceSettings, timeout_s: float) -> dict[str, Any]:
    """Return kombu's transport options for the sentinels; none where the address names no sentinel.

    Args:
        settings: Address of the broker, name of its master, and password of the sentinels.
        timeout_s: Seconds for a connection to a sentinel, and for its reply.
    """
    if not uses_sentinel(settings):
        return {}
    return {
        "master_name": settings.redis_sentinel_master,
        "sentinel_kwargs": _client_options(settings, timeout_s),
    }


def sentinel_views(settings: ServiceSettings, timeout_s: float) -> list[SentinelView]:
    """Ask each sentinel of the address what it knows.

    Args:
        settings: Address of the broker, and password of the sentinels.
        timeout_s: Seconds for a connection to a sentinel, and for its reply.
    """
    views = []
    for part in _parts(settings):
        host, port = part.hostname or "127.0.0.1", part.port or DEFAULT_PORT
        with redis.Redis(host, port, **_client_options(settings, timeout_s)) as client:
            try:
                views.append(SentinelView(f"{host}:{port}", dict(client.sentinel_masters())))
            except redis.RedisError as error:
                views.append(SentinelView(f"{host}:{port}", {}, error))
    return views


def expect_known_master(settings: ServiceSettings, timeout_s: float) -> None:
    """Check that the sentinels accept their password and know the master. One that is away is not an error.

    Raises:
        ServiceMisconfigured: All that answer refuse the password, or know only masters of other names.
    """
    views = sentinel_views(settings, timeout_s)
    answering = [view for view in views if view.error is None]
    if not answering and any(_is_refusal(view.error) for view in views):
        raise ServiceMisconfigured(
            "The sentinels of Redis refuse their password.",
            field="redis_sentinel_password",
            hint="Check BRUSHWORK_REDIS_SENTINEL_PASSWORD. The password of Redis itself is in "
            "BRUSHWORK_REDIS_URL.",
        )
    name = settings.redis_sentinel_master
    if answering and not any(name in view.masters for view in answering):
        names = sorted({each for view in answering for each in view.masters})
        raise ServiceMisconfigured(
            said("The sentinels know no Redis master named {name}.", name=name),
            field="redis_sentinel_master",
            hint=said(
                "Set BRUSHWORK_REDIS_SENTINEL_MASTER to a name that they know: {names}.",
                names=", ".join(names) or "-",
            ),
        )


def error_text(error: BaseException) -> str:
    """Return the text of an error of redis-py or kombu, with sentinels by their host and port."""
    return _CLIENT.sub(r"\1:\2", str(error))


def _is_refusal(error: redis.RedisError | None) -> bool:
    return isinstance(error, AuthenticationError | NoPermissionError)


def _client_options(settings: ServiceSettings, timeout_s: float) -> dict[str, Any]:
    password = settings.redis_sentinel_password
    own = UsernamePasswordCredentialProvider(password=password.get_secret_value()) if password else None
    return {
        # Not as `password`, which some versions of redis-py write into their errors.
        "credential_provider": own,
        "socket_connect_timeout": timeout_s,
        "socket_timeout": timeout_s,
        # By default redis-py asks a dead sentinel again for seconds, before it asks the next one.
        "retry": Retry(NoBackoff(), 0),
    }


def _parts(settings: ServiceSettings) -> list[SplitResult]:
    return [urlsplit(each) for each in settings.redis_url.get_secret_value().split(SEPARATOR)]


def _address(part: SplitResult, user: str, path: str) -> str:
    host = part.netloc.rpartition("@")[2]
    return f"{SCHEME}://{user}@{host}{path}" if user else f"{SCHEME}://{host}{path}"
