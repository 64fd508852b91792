"""Choose the transport of a client: HTTP if a gateway's address is known, else direct."""

from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said

from brushwork.transports.transport import Transport

# Each transport is imported when it is opened: one needs httpx, the other Celery and SQLAlchemy.


def chosen_settings(
    address: str | None, key: str | None, servers: dict[str, str | None], settings: Settings | None
) -> Settings:
    """Return the settings with the client's arguments applied. `url` is None if the client is direct.

    Args:
        address: Address of a gateway.
        key: API key for the gateway.
        servers: `redis_url`, `database_url` and `artifacts_url`. If one is not None, the client is direct.
        settings: Settings that the arguments override; None uses those of this process.

    Raises:
        InvalidRequest: A value is wrong, or both a gateway and a server are named.
    """
    named = [name for name, url in servers.items() if url is not None]
    if address is not None and named:
        raise InvalidRequest(
            said(
                "address: can't be combined with {named}. A client uses a gateway or the servers directly.",
                named=named[0],
            ),
            field="address",
            hint=said("Leave out the address or {named}.", named=named[0]),
        )
    given = {**servers, "url": address, "api_key": key}
    chosen = settings.overridden(**given) if settings else Settings.load(**given)
    return chosen.model_copy(update={"url": None}) if named else chosen


def opened(settings: Settings, patience_s: float) -> Transport:
    """Open the transport for these settings.

    Args:
        settings: What `chosen_settings` returned.
        patience_s: Seconds that a request to a gateway may wait in all because of Retry-After headers.
    """
    if settings.url is None:
        from brushwork.transports.direct import DirectTransport

        return DirectTransport(settings)
    from brushwork.transports.connection import Connection
    from brushwork.transports.gateway import GatewayTransport

    key = None if settings.api_key is None else settings.api_key.get_secret_value()
    return GatewayTransport(Connection(settings.url, key, patience_s))
