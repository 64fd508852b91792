"""How a gateway is reached: its address, the key, time limits; and httpx's words for calls and answers."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx
from brushwork_schemas.errors import InvalidRequest

from brushwork.hosts import is_loopback
from brushwork.transports.exchange import ConnectionLost, HttpRequest, HttpResponse

CONNECT_S = 5.0
# Between two pieces of an answer, or of a request; a held question has its time besides.
READ_S = 30.0
# Uvicorn hangs up on an idle connection after five seconds: who does so first need not repeat a call.
IDLE_S = 4.0
PIECE_BYTES = 256 * 2**10
# Many may wait at once, each on a connection of its own.
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=IDLE_S)


class Connection:
    """Where a gateway is, and how it is spoken to.

    Args:
        address: Its http(s) address.
        key: An API key, if it asks for one.
        patience_s: How long in all a call waits where the gateway says when to come again.

    Raises:
        InvalidRequest: The address or the key is none.
    """

    def __init__(self, address: str, key: str | None, patience_s: float) -> None:
        self.address = checked_address(address)
        self.patience_s = patience_s
        self._headers = {"Accept": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {_checked_key(key)}"

    def options(self) -> dict[str, Any]:
        """Arguments of an httpx client."""
        return {
            "headers": self._headers,
            "timeout": _timeout(0.0),
            "limits": LIMITS,
            # A proxy of the surroundings is no way to this machine itself.
            "trust_env": not is_loopback(urlsplit(self.address).hostname or ""),
        }

    def request(self, call: HttpRequest, *, in_tasks: bool = False) -> dict[str, Any]:
        """Arguments of an httpx client's `request`.

        Args:
            call: What is asked.
            in_tasks: Whether the client is one for asyncio.
        """
        return {
            "method": call.method,
            "url": self.address + call.path,
            "params": dict(call.query),
            "headers": dict(call.headers),
            "timeout": _timeout(call.held_s),
            **_body(call, in_tasks),
        }


def _body(call: HttpRequest, in_tasks: bool) -> dict[str, Any]:
    if call.files:
        files = {name: (name, data, "application/octet-stream") for name, data in call.files.items()}
        return {"files": files, "data": dict(call.fields)}
    if call.content is None or isinstance(call.content, bytes):
        return {"content": call.content}
    # Announced, so that what is too large is refused before it is sent.
    length = {"Content-Length": str(call.content.seek(0, os.SEEK_END))}
    pieces = _pieces_in_tasks(call.content) if in_tasks else _pieces(call.content)
    return {"content": pieces, "headers": {**call.headers, **length}}


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    # From its start, for a call may be sent again.
    file.seek(0)
    while piece := file.read(PIECE_BYTES):
        yield piece


async def _pieces_in_tasks(file: BinaryIO) -> AsyncIterator[bytes]:
    file.seek(0)
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


def answer_of(response: httpx.Response) -> HttpResponse:
    """What came back, in our words."""
    return HttpResponse(response.status_code, dict(response.headers), response.content)


def lost(error: httpx.TransportError) -> ConnectionLost:
    """What an error of the connection means."""
    timed_out = isinstance(error, httpx.TimeoutException)
    reason = str(error) or ("it took too long" if timed_out else type(error).__name__)
    may_repeat = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
    return ConnectionLost(reason.rstrip("."), may_repeat=may_repeat)


def checked_address(address: str) -> str:
    """The address, if a gateway can have it, without a slash at its end.

    Raises:
        InvalidRequest: None can.
    """
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username is not None or parts.query or parts.fragment:
        # The address is not shown: it may hold a password.
        raise InvalidRequest(
            "url: this is no address of a gateway.",
            field="url",
            hint="It reads http://host:8600 or https://host; a key is given by itself.",
        )
    return address.rstrip("/")


def _checked_key(key: str) -> str:
    if key.isascii() and key.isprintable() and key and " " not in key:
        return key
    raise InvalidRequest("api_key: this is no key.", field="api_key", hint="A key reads bw_...")


def _timeout(held_s: float) -> httpx.Timeout:
    return httpx.Timeout(READ_S, connect=CONNECT_S, read=READ_S + held_s)
