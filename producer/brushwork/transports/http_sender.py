"""Send HTTP requests with httpx: one sender for threads, one for asyncio."""

import os
import threading

import httpx

from brushwork.transports.connection import Connection, connection_lost, http_response
from brushwork.transports.flow import HttpRequest, HttpResponse


class HttpSender:
    """Sends requests and waits for their responses. Safe to share between threads and across a fork.

    Args:
        connection: How to reach the gateway.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._process = os.getpid()

    def send(self, call: HttpRequest) -> HttpResponse:
        """Send a request and return the response, whatever its status.

        Raises:
            ConnectionLost: No response came.
        """
        try:
            return http_response(self._opened().request(**self._connection.request(call)))
        except httpx.TransportError as error:
            raise connection_lost(error) from error

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    def _opened(self) -> httpx.Client:
        if os.getpid() != self._process:
            # After a fork, parent and child must not use the same connections. The parent's stay open.
            self._client, self._process, self._lock = None, os.getpid(), threading.Lock()
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(**self._connection.options())
            return self._client


class AsyncHttpSender:
    """Sends requests in one event loop.

    Args:
        connection: How to reach the gateway.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._client = httpx.AsyncClient(**connection.options())

    async def send(self, call: HttpRequest) -> HttpResponse:
        """Send a request and return the response, whatever its status.

        Raises:
            ConnectionLost: No response came.
        """
        try:
            request = self._connection.request(call, is_async=True)
            return http_response(await self._client.request(**request))
        except httpx.TransportError as error:
            raise connection_lost(error) from error

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
