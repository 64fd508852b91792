"""The process of the gateway: `brushwork gateway`."""

import logging
from contextlib import suppress

from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.queue.redis_link import expect_access
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import log
from brushwork_schemas.errors import Forbidden, ServiceUnreachable
from brushwork_schemas.errors.store import StoreMisconfigured
from brushwork_schemas.wording.phrase import said

from brushwork.gateway.application import Page, create_app
from brushwork.gateway.listening import Listening, address_of
from brushwork.gateway.server import server_of
from brushwork.gateway.telemetry.access_log import REQUESTS

LOGGER = logging.getLogger(__name__)


def serve(settings: Settings, listening: Listening, page: Page | None = None) -> None:
    """Serve HTTP until SIGTERM or Ctrl-C.

    Args:
        settings: Settings of the gateway.
        listening: Where to listen, and which proxies to trust.
        page: The web page; None for the HTTP interface alone.

    Raises:
        Forbidden: The address is not loopback, and there are no API keys.
        InvalidRequest: The address or the port cannot be used.
        ServiceMisconfigured: The database or Redis refuses this program.
        ServiceUnreachable: The database does not answer.
        StoreMisconfigured: The artifact store refuses its settings.
    """
    log.capture(settings.log_format)
    log.set_up(settings.log_format)
    REQUESTS.disabled = not listening.access_log
    _prepare_database(settings, listening)
    expect_access(settings)
    _check_store(settings)
    app = create_app(settings, page)
    with listening.bound() as bound:
        server = server_of(
            app,
            settings,
            root_path=listening.root_path,
            # By default uvicorn would trust every program on this machine.
            proxy_headers=bool(listening.trusted_proxies),
            forwarded_allow_ips=listening.trusted_proxies or [],
        )
        LOGGER.info("Listening on %s", address_of(bound, listening.root_path))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[bound])
    if not server.started:
        # uvicorn has logged it.
        raise getattr(app.state, "start_error", None) or SystemExit(1)


def _prepare_database(settings: Settings, listening: Listening) -> None:
    database = Database(settings.database_url.get_secret_value(), "gateway")
    try:
        database.migrate()
        if not listening.is_loopback and not ApiKeys(database).any_exist():
            raise Forbidden(
                said("host: the gateway listens on {host} only if there is an API key.", host=listening.host),
                field="host",
                hint="Make a key first: brushwork keys create NAME --scope admin. On 127.0.0.1 the gateway "
                "works without keys.",
            )
    finally:
        database.close()


def _check_store(settings: Settings) -> None:
    try:
        ArtifactStore(settings.artifacts_url).check()
    except StoreMisconfigured:
        raise
    except ServiceUnreachable as error:
        # It may return. Until then, `/readyz` says why, and jobs can still be looked at.
        LOGGER.warning("%s", error)
