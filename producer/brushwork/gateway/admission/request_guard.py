"""ASGI middleware that checks every request: its host, origin and size. It also adds the security headers."""

import asyncio
import time
from collections.abc import Callable
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
from brushwork_schemas.wording.disclosure import new_reader
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.translation import chosen_language, read_in
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brushwork.gateway import root
from brushwork.gateway.media_types import ARCHIVES, FORM, URL_ENCODED
from brushwork.gateway.problems import ErrorPage, answer_to, log_hidden
from brushwork.hosts import is_loopback

# In the scope of a request: when its last byte was received. A proxy begins to wait for the answer then.
RECEIVED_AT = "brushwork.received_at"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Probes call these by any host name; their answers hold no data.
OPEN_PATHS = ("/healthz", "/readyz")
# The path that accepts archives as a body.
FILES_PATH = "/v1/files"
FORM_PATHS = (FILES_PATH, "/v1/provenance", "/v1/jobs", "/jobs", "/provenance")
LONGEST_HEADERS_BYTES = 32 * 2**10
# Many clients read the answer only after they have sent the whole body. A refused body is read within these.
DRAIN_S = 5.0
MOST_DRAINED_BYTES = 128 * 2**20
# Headers of every answer that does not set them itself.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class RequestGuard:
    """Refuses requests before the application sees them. It is plain ASGI, so streams pass unbuffered.

    Args:
        app: The application.
        max_body_bytes: Most bytes of a body. The received bytes count, whatever the headers say.
        max_dataset_bytes: Most bytes of a body that brings an archive, which is not held in memory.
        max_form_bytes: Most bytes of a form without files. Such forms are read before the key is checked.
        is_open: Returns whether the gateway answers without API keys. By default it requires one.
        error_page: Returns an error as a page, for browsers that asked for one. None for problems only.
        is_stopping: Returns whether the gateway stops. Then each answer tells the caller, or the proxy in
            front, to close its connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        max_dataset_bytes: int,
        max_form_bytes: int = 16 * 2**10,
        is_open: Callable[[], bool] = lambda: False,
        error_page: ErrorPage | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app = app
        self._is_stopping = is_stopping
        self._max_body_bytes = max_body_bytes
        self._max_dataset_bytes = max_dataset_bytes
        self._max_form_bytes = max_form_bytes
        self._is_open = is_open
        self._error_page = error_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        root.enter(scope)
        scope[RECEIVED_AT] = time.monotonic()
        language = chosen_language(Headers(scope=scope).get("accept-language", ""))
        with read_in(language), new_reader():
            await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _GuardedRequest(scope, receive, send, self._max_bytes_of(scope), self._is_stopping)
        try:
            await self._check(scope, request.max_bytes)
            await self._app(scope, request.receive, request.send)
        except BrushworkError as error:
            if request.has_response_started:
                raise
            request.refusal = error
        except ClientDisconnect:
            # The client left, or was too slow, before its body was complete. Nobody waits for an answer.
            return
        if request.refusal is not None:
            log_hidden(request.refusal, scope["method"], scope["path"])
            response = await self._response(scope, request.refusal)
            await _RefusedRequest(scope, receive, send, request.has_more_body).answer(response)

    def _max_bytes_of(self, scope: Scope) -> int:
        """Return the size limit of a body: high for an archive, and for a form with files and its length."""
        headers = Headers(scope=scope)
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        path = root.without_root(scope["path"])
        if media_type == URL_ENCODED or (media_type == FORM and path not in FORM_PATHS):
            return self._max_form_bytes
        is_archive = path == FILES_PATH and media_type in ARCHIVES
        is_long_form = path in FORM_PATHS and media_type == FORM and "content-length" in headers
        longer = max(self._max_body_bytes, self._max_dataset_bytes)
        return longer if is_archive or is_long_form else self._max_body_bytes

    async def _check(self, scope: Scope, max_bytes: int) -> None:
        headers = Headers(scope=scope)
        if sum(len(name) + len(value) for name, value in headers.raw) > LONGEST_HEADERS_BYTES:
            raise HeadersTooLarge(
                said(
                    "The headers are larger than {longest_headers_bytes} bytes.",
                    longest_headers_bytes=LONGEST_HEADERS_BYTES,
                ),
                hint="Send shorter cookies, and large values in the body.",
            )
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            raise RequestError(
                said(
                    "Host: a request must have exactly one Host header, not {num_hosts}.",
                    num_hosts=len(hosts),
                ),
                field="Host",
            )
        await self._check_host(scope, hosts[0])
        if scope["method"] not in SAFE_METHODS and "authorization" not in headers:
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
        """Refuse DNS rebinding: without API keys, only loopback names may be used."""
        if is_loopback(_name_in(host)) or root.without_root(scope["path"]) in OPEN_PATHS:
            return
        if await run_in_threadpool(self._is_open):
            raise Forbidden(
                "Host: as long as there are no API keys, the gateway accepts only localhost, 127.0.0.1 "
                "and [::1].",
                field="Host",
                hint="Use one of these names, or make an API key: brushwork keys create NAME",
            )

    async def _response(self, scope: Scope, error: BrushworkError) -> Response:
        accepted = Headers(scope=scope).get("accept", "")
        is_page = "text/html" in accepted and not root.without_root(scope["path"]).startswith("/v1/")
        if is_page and self._error_page is not None:
            return await run_in_threadpool(self._error_page, Request(scope), error)
        return answer_to(error)


class _GuardedRequest:
    """A request as the application sees it: its body is counted, and its answer gets the headers.

    Args:
        scope: The request.
        receive: Receives the body.
        send: Sends the answer.
        max_bytes: Most bytes of the body.
        is_stopping: Returns whether the gateway stops.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, max_bytes: int, is_stopping: Callable[[], bool]
    ) -> None:
        self._scope = scope
        self._is_stopping = is_stopping
        self._receive = receive
        self._send = send
        self.max_bytes = max_bytes
        self._num_bytes = 0
        self.has_response_started = False
        self.has_more_body = True
        self.refusal: BrushworkError | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        self.has_more_body = message.get("more_body", False)
        if message["type"] == "http.request":
            self._scope[RECEIVED_AT] = time.monotonic()
            self._num_bytes += len(message.get("body", b""))
            if self._num_bytes > self.max_bytes:
                self.refusal = _too_large(self.max_bytes)
                raise self.refusal
        return message

    async def send(self, message: Message) -> None:
        # The guard answers a body that is too large. The application's answer would be about a broken body.
        if self.refusal is not None and not self.has_response_started:
            return
        if message["type"] == "http.response.start":
            self.has_response_started = True
            _add_headers(message)
            if self._is_stopping():
                MutableHeaders(raw=message["headers"])["Connection"] = "close"
        await self._send(message)


class _RefusedRequest:
    """A refused request whose client may still be sending the body.

    Args:
        scope: The request.
        receive: Receives the rest of the body.
        send: Sends the answer.
        has_more_body: Whether more of the body may come.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, has_more_body: bool) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._has_more_body = has_more_body
        self._is_end_held = False

    async def answer(self, response: Response) -> None:
        """Send the answer, read the rest of the body within limits, and close the connection."""
        response.headers["Connection"] = "close"
        await response(self._scope, self._receive, self._send_without_end)
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._drain()
        if self._is_end_held:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_without_end(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            _add_headers(message)
        elif not message.get("more_body", False):
            self._is_end_held = True
            message = {**message, "more_body": True}
        await self._send(message)

    async def _drain(self) -> None:
        num_bytes = 0
        while self._has_more_body and num_bytes < MOST_DRAINED_BYTES:
            message = await self._receive()
            num_bytes += len(message.get("body", b""))
            self._has_more_body = message.get("more_body", False)


def received_at(request: Request) -> float:
    """Return when the last byte of a request was received, by the clock of `time.monotonic`."""
    return float(request.scope.get(RECEIVED_AT) or time.monotonic())


def _check_origin(headers: Headers, host: str) -> None:
    """Refuse requests that a browser sends for a page of another site. Programs send no Origin header."""
    origin = headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
    if is_foreign or headers.get("sec-fetch-site", "").lower() == "cross-site":
        raise Forbidden(
            "Origin: the request comes from a page of another site.",
            field="Origin",
            hint="Use the gateway's own pages, or send an API key: Authorization: Bearer bw_...",
        )


def _name_in(host: str) -> str:
    """Return the name or address in a `Host` header, without port and brackets."""
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
        said("The body is larger than the limit of {max_bytes} bytes.", max_bytes=max_bytes),
        field="body",
        hint="Upload each file with POST /v1/files, and name it in the request by its SHA-256.",
    )


def _add_headers(message: Message) -> None:
    headers = MutableHeaders(raw=message["headers"])
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
