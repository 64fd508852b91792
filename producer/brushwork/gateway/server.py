"""The uvicorn server of the gateway: it limits connections, and stops although event streams are open."""

import socket
from functools import partial
from typing import Any

import uvicorn
from brushwork_core.settings.settings import Settings
from fastapi import FastAPI

from brushwork.gateway.connections.connections import Connections
from brushwork.gateway.connections.http_protocol import BoundedHttp
from brushwork.gateway.connections.limits import ConnectionLimits

# Time that other open responses get to end, in seconds, when the server stops.
GRACE_S = 5
# Uvicorn ticks every tenth of a second. Connections are looked at every half.
TICKS = 5


class Server(uvicorn.Server):
    """Looks at its connections. When it stops, it first ends all event streams: else it would wait for them.

    Args:
        app: An application made by `create_app`.
        connections: The connections of the server.
        config: Configuration of uvicorn.
    """

    def __init__(self, app: FastAPI, connections: Connections, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app
        self.connections = connections

    async def on_tick(self, counter: int) -> bool:
        """Do what is due, and return whether the server stops."""
        if counter % TICKS == 0:
            self.connections.look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the server."""
        self._app.state.services.watch.end_all()
        await super().shutdown(sockets)


def server_of(app: FastAPI, settings: Settings, **options: Any) -> Server:
    """Return the server of an application.

    Args:
        app: An application made by `create_app`.
        settings: Its settings.
        options: More options of uvicorn.
    """
    metrics = app.state.metrics
    connections = Connections(
        ConnectionLimits.of(settings.connection),
        on_end=metrics.connection_ended,
        on_change=metrics.connections.set,
    )
    config = uvicorn.Config(
        app,
        server_header=False,
        http=partial(BoundedHttp, connections),  # type: ignore[arg-type]
        # The gateway has no WebSocket.
        ws="none",
        log_config=None,
        # Its lines contain the query, which may hold prompts. Our own lines contain only the path.
        access_log=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=GRACE_S,
        **options,
    )
    return Server(app, connections, config)
