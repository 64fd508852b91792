"""The gateway as a process."""

import ipaddress
import sys
from contextlib import suppress

import uvicorn
from brushwork_schemas.api_keys import ApiKeys
from brushwork_schemas.database import Database
from brushwork_schemas.errors import Forbidden
from brushwork_schemas.settings import Settings

from brushwork.gateway.application import create_app
from brushwork.gateway.server import GRACE_S, Server


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Answer HTTP until SIGTERM or Ctrl-C.

    Raises:
        Forbidden: It should listen beyond loopback, and there are no keys.
    """
    database = Database(settings.database_url.get_secret_value())
    try:
        database.migrate()
        if not is_loopback(host) and not ApiKeys(database).are_there():
            raise Forbidden(
                f"The gateway does not listen on {host} while it asks nobody for a key.",
                field="host",
                hint="Make one first: brushwork keys create NAME --scope admin. "
                "On 127.0.0.1 it works without.",
            )
    finally:
        database.close()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        server_header=False,
        log_level="info",
        timeout_graceful_shutdown=GRACE_S,
    )
    server = Server(app, config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


def is_loopback(host: str) -> bool:
    """Whether only this machine can come in there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
