"""The gateway as a process."""

import logging
import sys
from contextlib import suppress

import uvicorn
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_schemas.errors import Forbidden

from brushwork.gateway.admission.http_protocol import BoundedHttp
from brushwork.gateway.application import create_app
from brushwork.gateway.listening import Listening, address_of
from brushwork.gateway.server import GRACE_S, Server
from brushwork.gateway.telemetry.access_log import REQUESTS

LOGGER = logging.getLogger(__name__)


def serve(settings: Settings, listening: Listening) -> None:
    """Answer HTTP until SIGTERM or Ctrl-C.

    Raises:
        Forbidden: It should listen beyond loopback, and there are no keys.
        InvalidRequest: It can't listen there.
    """
    log.set_up(settings.log_format)
    REQUESTS.disabled = not listening.access_log
    _prepare(settings, listening)
    app = create_app(settings)
    with listening.bound() as bound:
        server = Server(app, _config(app, listening))
        LOGGER.info("Listening on %s", address_of(bound, listening.root_path))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
    if not server.started:
        sys.exit(1)


def _prepare(settings: Settings, listening: Listening) -> None:
    database = Database(settings.database_url.get_secret_value())
    try:
        database.migrate()
        if not listening.is_loopback and not ApiKeys(database).any_exist():
            raise Forbidden(
                f"The gateway does not listen on {listening.host} while it asks nobody for a key.",
                field="host",
                hint="Make one first: brushwork keys create NAME --scope admin. "
                "On 127.0.0.1 it works without.",
            )
    finally:
        database.close()


def _config(app: object, listening: Listening) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        root_path=listening.root_path,
        # By default uvicorn would believe whatever runs on this machine.
        proxy_headers=bool(listening.trusted_proxies),
        forwarded_allow_ips=listening.trusted_proxies or [],
        server_header=False,
        http=BoundedHttp,
        # Nothing here is said by WebSocket.
        ws="none",
        log_config=None,
        # It would have the words that a list is searched for; our own lines have the path alone.
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )
