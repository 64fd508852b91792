"""A uvicorn server that stops although event streams are open."""

import asyncio
import socket
import time

import uvicorn
from fastapi import FastAPI

from brushwork.gateway.stop.closing_socket import hold_back

LOOK_EVERY_S = 0.1


class Server(uvicorn.Server):
    """Stops without losing a request.

    Readiness fails first, for as long as load balancers need to see it. Then no new connection is accepted,
    event streams and waiting requests end, and all other requests are answered.

    Args:
        app: An application made by `create_app`.
        config: Configuration of uvicorn.
        drain_s: Seconds in which the server still accepts connections after it was told to stop.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config, drain_s: float = 0.0) -> None:
        super().__init__(config)
        self._app = app
        self._drain_s = drain_s

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the server."""
        self._app.state.stopping.begin()
        until = time.monotonic() + self._drain_s
        while time.monotonic() < until and not self.force_exit:
            await asyncio.sleep(LOOK_EVERY_S)
        await hold_back(sockets or [])
        self._app.state.services.watch.end_all()
        await super().shutdown(sockets)
