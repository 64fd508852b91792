"""How to reach a gateway: address, API key and time limits, as arguments of httpx."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx
from brushwork_schemas.errors import InvalidRequest

from brushwork.hosts import is_loopback
from brushwork.transports.flow import ConnectionLost, HttpRequest, HttpResponse

CONNECT_S = 5.0
# Between two parts of a response or of a request. `HttpRequest.held_s` is added.
READ_S = 30.0
# Uvicorn closes idle connections after five seconds. A client that closes them earlier need not repeat
# requests.
IDLE_S = 4.0
CHUNK_BYTES = 256 * 2**10
# Many threads may wait at once, each on a connection of its own.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=IDLE_S)


class Connection:
    """Address and key of a gateway.

    Args:
        address: An http or https URL.
        key: An API key, if the gateway requires one.
        patience_s: Seconds that one request may wait in all because of Retry-After headers.

    Raises:
        InvalidRequest: The address is not a gateway's, or the key is not an API key.
    """

    def __init__(self, address: str, key: str | None, patience_s: float) -> None:
        self.address = checked_address(address)
        self.patience_s = patience_s
        self._headers = {"Accept": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {_checked_key(key)}"

    def options(self) -> dict[str, Any]:
        """Return the arguments of an httpx client."""
        return {
            "headers": self._headers,
            "timeout": _timeout(0.0),
            "limits": LIMITS,
            # A proxy named in the environment can't reach this machine by a loopback address.
            "trust_env": not is_loopback(urlsplit(self.address).hostname or ""),
        }

    def request(self, call: HttpRequest, *, is_async: bool = False) -> dict[str, Any]:
        """Return the arguments of an httpx client's method `request`.

        Args:
            call: The request.
            is_async: Whether the client is an `httpx.AsyncClient`.
        """
        return {
            "method": call.method,
            "url": self.address + call.path,
            "params": dict(call.query),
            "headers": dict(call.headers),
            "timeout": _timeout(call.held_s),
            **_body(call, is_async),
        }


def _body(call: HttpRequest, is_async: bool) -> dict[str, Any]:
    if call.files:
        files = {name: (name, data, "application/octet-stream") for name, data in call.files.items()}
        return {"files": files, "data": dict(call.fields)}
    if call.content is None or isinstance(call.content, bytes):
        return {"content": call.content}
    # With Content-Length, the gateway can refuse a file that is too large before it is sent.
    length = {"Content-Length": str(call.content.seek(0, os.SEEK_END))}
    chunks = _chunks_async(call.content) if is_async else _chunks(call.content)
    return {"content": chunks, "headers": {**call.headers, **length}}


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    # From the start: the request may be sent a second time.
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


async def _chunks_async(file: BinaryIO) -> AsyncIterator[bytes]:
    file.seek(0)
    while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
        yield chunk


def http_response(response: httpx.Response) -> HttpResponse:
    """Return the response without the types of httpx."""
    return HttpResponse(response.status_code, dict(response.headers), response.content)


def connection_lost(error: httpx.TransportError) -> ConnectionLost:
    """Return the error of the connection, with whether the request may be repeated."""
    timed_out = isinstance(error, httpx.TimeoutException)
    reason = str(error) or ("timed out" if timed_out else type(error).__name__)
    may_repeat = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
    return ConnectionLost(reason.rstrip("."), may_repeat=may_repeat)


def checked_address(address: str) -> str:
    """Return the address without a trailing slash.

    Raises:
        InvalidRequest: The address is not an http(s) URL, or has a user name, a query or a fragment.
    """
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username is not None or parts.query or parts.fragment:
        # The message leaves the address out, because it may contain a password.
        raise InvalidRequest(
            "url: not a gateway's address.",
            field="url",
            hint="Use http://host:8600 or https://host, and pass the API key separately.",
        )
    return address.rstrip("/")


def _checked_key(key: str) -> str:
    if key.isascii() and key.isprintable() and key and " " not in key:
        return key
    raise InvalidRequest("api_key: not an API key.", field="api_key", hint="A key starts with bw_.")


def _timeout(held_s: float) -> httpx.Timeout:
    return httpx.Timeout(READ_S, connect=CONNECT_S, read=READ_S + held_s)
