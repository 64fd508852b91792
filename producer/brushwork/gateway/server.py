"""Uvicorn, made to stop while streams are open."""

import socket

import uvicorn
from fastapi import FastAPI

# What is still being sent when the gateway is to stop has so long.
GRACE_S = 5


class Server(uvicorn.Server):
    """Lets go of everybody who watches a job before it waits for open connections to end.

    Args:
        app: Made by `create_app`.
        config: How to serve it.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._app.state.services.watch.let_go()
        await super().shutdown(sockets)
