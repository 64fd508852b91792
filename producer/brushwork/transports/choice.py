"""Which door a client takes: HTTP where an address is known, else straight to the servers."""

from typing import TYPE_CHECKING

from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest

from brushwork.transports.threaded import ThreadedTransport
from brushwork.transports.transport import Transport

if TYPE_CHECKING:
    from brushwork.transports.async_http import AsyncHttpTransport

# Each door is imported where it is opened: one brings Celery and SQLAlchemy along, the other an HTTP client.


def chosen_settings(
    address: str | None, key: str | None, servers: dict[str, str | None], settings: Settings | None
) -> Settings:
    """The settings with what a client's arguments say in their place; `url` is None for the direct way.

    Args:
        address: Of a gateway.
        key: For it.
        servers: `redis_url`, `database_url` and `artifacts_url`; naming one is to go straight there.
        settings: By default those of this process.

    Raises:
        InvalidRequest: One of them is wrong, or they contradict each other.
    """
    named = [name for name, url in servers.items() if url is not None]
    if address is not None and named:
        raise InvalidRequest(
            f"address: a gateway is asked, or {named[0]} is used; not both.",
            field="address",
            hint="Leave one of them out.",
        )
    given = {**servers, "url": address, "api_key": key}
    chosen = settings.overridden(**given) if settings else Settings.load(**given)
    return chosen.model_copy(update={"url": None}) if named else chosen


def opened(settings: Settings, patience_s: float) -> Transport:
    """The door for these settings."""
    if settings.url is not None:
        from brushwork.transports.connection import Connection
        from brushwork.transports.http import HttpTransport

        return HttpTransport(Connection(settings.url, _key(settings), patience_s))
    from brushwork.transports.direct import DirectTransport

    return DirectTransport(settings)


def opened_for_tasks(settings: Settings, patience_s: float) -> "ThreadedTransport | AsyncHttpTransport":
    """The door for these settings, for asyncio."""
    if settings.url is not None:
        from brushwork.transports.async_http import AsyncHttpTransport
        from brushwork.transports.connection import Connection

        return AsyncHttpTransport(Connection(settings.url, _key(settings), patience_s))
    return ThreadedTransport(opened(settings, patience_s))


def _key(settings: Settings) -> str | None:
    return None if settings.api_key is None else settings.api_key.get_secret_value()
