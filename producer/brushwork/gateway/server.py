"""The uvicorn server of the gateway: it limits connections, and stops without losing a request."""

import asyncio
import math
import socket
import time
from functools import partial
from typing import Any

import uvicorn
from brushwork_core.settings.settings import Settings
from fastapi import FastAPI

from brushwork.gateway.connections.connections import Connections
from brushwork.gateway.connections.limits import ConnectionLimits
from brushwork.gateway.stop.closing_socket import hold_back
from brushwork.gateway.stop.stopping import StoppableHttp

# Uvicorn ticks every tenth of a second. Connections are looked at every half.
TICK_S = 0.1
TICKS = 5


class Server(uvicorn.Server):
    """Looks at its connections, and stops without losing a request.

    When it stops, readiness fails first, for as long as load balancers need to see it. Then no new connection
    is accepted, event streams and waiting requests end, and all other requests are answered.

    Args:
        app: An application made by `create_app`.
        connections: The connections of the server.
        config: Configuration of uvicorn.
        drain_s: Seconds in which the server still accepts connections after it was told to stop.
    """

    def __init__(
        self, app: FastAPI, connections: Connections, config: uvicorn.Config, drain_s: float = 0.0
    ) -> None:
        super().__init__(config)
        self._app = app
        self._drain_s = drain_s
        self.connections = connections

    async def on_tick(self, counter: int) -> bool:
        """Do what is due, and return whether the server stops."""
        if counter % TICKS == 0:
            self.connections.look()
        self.connections.end_some()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the server."""
        self._app.state.stopping.begin()
        until = time.monotonic() + self._drain_s
        while time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(TICK_S)
            self.connections.look()
            self.connections.end_some()
        await hold_back(sockets or [])
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
        http=partial(StoppableHttp, connections),  # type: ignore[arg-type]
        # The gateway has no WebSocket.
        ws="none",
        log_config=None,
        # Its lines contain the query, which may hold prompts. Our own lines contain only the path.
        access_log=False,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=math.ceil(settings.stop_within_s),
        **options,
    )
    return Server(app, connections, config, settings.drain_s)
