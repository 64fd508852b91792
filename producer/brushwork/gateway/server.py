"""A uvicorn server that stops although event streams are open."""

import socket

import uvicorn
from fastapi import FastAPI

# Time that other open responses get to end, in seconds, when the server stops.
GRACE_S = 5


class Server(uvicorn.Server):
    """Ends all event streams and waiting requests first. Otherwise the server would wait for them.

    Args:
        app: An application made by `create_app`.
        config: Configuration of uvicorn.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the server."""
        self._app.state.services.watch.end_all()
        await super().shutdown(sockets)
