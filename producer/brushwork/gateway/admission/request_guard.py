"""The guard at the gateway's door: whence a request comes, how much it brings, and what every answer says."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from brushwork_schemas.errors import (
    BrushworkError,
    Forbidden,
    HeadersTooLarge,
    PayloadTooLarge,
    RequestError,
    UnsupportedMediaType,
)
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brushwork.gateway import root
from brushwork.gateway.bodies.received import ARCHIVES, FORM
from brushwork.gateway.problems import answer_to
from brushwork.hosts import is_loopback
from brushwork.page.page_route import error_page

SAFE = ("GET", "HEAD", "OPTIONS")
# Asked by machines that know no name of this one; they tell nothing.
OPEN_PATHS = ("/healthz", "/readyz")
# Where archives may come.
FILES_PATH = "/v1/files"
FORM_PATHS = (FILES_PATH, "/v1/jobs", "/jobs")
LONGEST_HEADERS_BYTES = 32 * 2**10
# Who is refused in the midst of sending hears of it only if the rest is taken from him, as far as that goes.
DRAIN_S = 5.0
MOST_DRAINED_BYTES = 128 * 2**20
# Said with every answer that does not say otherwise.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class RequestGuard:
    """Plain ASGI, so that streams pass through it untouched.

    Args:
        app: What it stands before.
        max_body_bytes: Most bytes of one request; they are counted as they come, whatever its headers say.
        max_dataset_bytes: Most bytes of one that brings an archive, which is not held in memory.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, max_dataset_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_dataset_bytes = max_dataset_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request pass, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root.enter(scope)
        visit = _GuardedRequest(receive, send, self._max_bytes_of(scope))
        try:
            await self._check(scope, visit.max_bytes)
            await self._app(scope, visit.receive, visit.send)
        except BrushworkError as error:
            if visit.has_begun:
                raise
            visit.refusal = error
        if visit.refusal is not None:
            await _RefusedRequest(scope, receive, send, visit.is_sending).answer(visit.refusal)

    def _max_bytes_of(self, scope: Scope) -> int:
        """What a body may have: more where it is an archive, or a form that says how long it is."""
        headers = Headers(scope=scope)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        path = root.without_root(scope["path"])
        is_archive = path == FILES_PATH and media_type in ARCHIVES
        is_long_form = path in FORM_PATHS and media_type == FORM and "content-length" in headers
        longer = max(self._max_body_bytes, self._max_dataset_bytes)
        return longer if is_archive or is_long_form else self._max_body_bytes

    async def _check(self, scope: Scope, max_bytes: int) -> None:
        headers = Headers(scope=scope)
        if sum(len(name) + len(value) for name, value in headers.raw) > LONGEST_HEADERS_BYTES:
            raise HeadersTooLarge(
                f"The headers are larger than {LONGEST_HEADERS_BYTES} bytes.",
                hint="Send a shorter cookie, and large values in the body.",
            )
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise RequestError(
                f"Host: the request has {len(hosts)} of these headers; it must have exactly one.",
                field="Host",
            )
        await self._check_host(scope, hosts[0])
        if scope["method"] not in SAFE and "authorization" not in headers:
            _check_origin(headers, hosts[0])
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise UnsupportedMediaType(
                "Content-Encoding: compressed bodies are not supported.",
                field="Content-Encoding",
                hint="Send the body uncompressed.",
            )
        if _announced_bytes(headers) > max_bytes:
            raise _too_large(max_bytes)

    async def _check_host(self, scope: Scope, host: str) -> None:
        """Refuse pages of others that had their name lead here, while nobody is asked for a key."""
        if is_loopback(_name_in(host)) or root.without_root(scope["path"]) in OPEN_PATHS:
            return
        if await run_in_threadpool(scope["app"].state.services.access.is_open):
            raise Forbidden(
                "Without keys, the gateway answers only to localhost, 127.0.0.1 and [::1].",
                field="Host",
                hint="Call it by one of these names, or make a key: brushwork keys create NAME",
            )


class _GuardedRequest:
    """One request, as the application sees it.

    Args:
        receive: Brings the body.
        send: Takes the answer.
        max_bytes: Most bytes of the body.
    """

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive = receive
        self._send = send
        self.max_bytes = max_bytes
        self._num_bytes = 0
        self.has_begun = False
        self.is_sending = True
        self.refusal: BrushworkError | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self.is_sending = message.get("more_body", False)
        if message["type"] == "http.request":
            self._num_bytes += len(message.get("body", b""))
            if self._num_bytes > self.max_bytes:
                self.refusal = _too_large(self.max_bytes)
                raise self.refusal
        return message

    async def send(self, message: Message) -> None:
        # What the application makes of a body that broke off is not the news.
        if self.refusal is not None and not self.has_begun:
            return
        if message["type"] == "http.response.start":
            self.has_begun = True
            _add_headers(message)
        await self._send(message)


class _RefusedRequest:
    """An answer to somebody who may still be sending.

    Args:
        scope: The request.
        receive: Brings what is still coming.
        send: Takes the answer.
        is_sending: Whether there may be more.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, is_sending: bool) -> None:
        self._is_sending = is_sending
        self._scope = scope
        self._receive = receive
        self._send = send
        self._end: Message | None = None

    async def answer(self, error: BrushworkError) -> None:
        """Say it, then take what is still coming, and hang up."""
        response = await self._response(error)
        response.headers["Connection"] = "close"
        await response(self._scope, self._receive, self._hold_the_end)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._drain()
        if self._end is not None:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _response(self, error: BrushworkError) -> Response:
        accepts = Headers(scope=self._scope).get("accept", "")
        is_page = not root.without_root(self._scope["path"]).startswith("/v1/")
        if is_page and "text/html" in accepts and isinstance(error, BrushworkError):
            return await run_in_threadpool(error_page, Request(self._scope), error)
        return answer_to(error)

    async def _hold_the_end(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            _add_headers(message)
        elif not message.get("more_body", False):
            self._end, message = message, {**message, "more_body": True}
        await self._send(message)

    async def _drain(self) -> None:
        drained = 0
        while self._is_sending and drained < MOST_DRAINED_BYTES:
            message = await self._receive()
            drained += len(message.get("body", b""))
            self._is_sending = message.get("more_body", False)


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse what a page of somebody else makes a browser send; programs do not say where they come from."""
    origin = headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if is_foreign or headers.get("sec-fetch-site", "").lower() == "cross-site":
        raise Forbidden(
            "This comes from a page of another origin.",
            field="Origin",
            hint="Programs send `Authorization: Bearer bw_...`; pages are to be the gateway's own.",
        )


def _name_in(host: str) -> str:
    """The name or address in `Host`, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _announced_bytes(headers: Headers) -> int:
    announced = headers.getlist("content-length")
    if not announced:
        return 0
    if len(announced) > 1 or not (announced[0].isascii() and announced[0].isdecimal()):
        raise RequestError("Content-Length: must be one whole number.", field="Content-Length")
    return int(announced[0][:20])


def _too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"A request may have at most {max_bytes} bytes.",
        field="body",
        hint="Bring pictures one by one with POST /v1/files, and name them by their SHA-256.",
    )


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(raw=message["headers"])
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
