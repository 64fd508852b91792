"""Around every request: what it is called in the log, how long it took, how it ended."""

import json
import logging
import re
import secrets
import time
from dataclasses import dataclass

from brushwork_core.telemetry.log import bound
from brushwork_core.telemetry.trace_context import TraceContext
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brushwork.gateway.problems import MEDIA_TYPE
from brushwork.gateway.telemetry.metrics import GatewayMetrics

REQUESTS = logging.getLogger("brushwork.gateway.requests")
REQUEST_ID = "x-request-id"
STREAM = "text/event-stream"
# They are asked every few seconds by those who watch; that it goes well is no news.
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
UNKNOWN_ROUTE = "unknown"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class AccessLog:
    """Plain ASGI, outside of all else, so that it sees every answer as it goes out.

    Args:
        app: What is observed.
        metrics: Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, and note what came of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        # A caller's own is kept if it can do no harm in a log.
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        trace = TraceContext.read(headers.get("traceparent"))
        answer = _Answer(scope, send, request_id, self._metrics)
        with bound(request=request_id, trace=trace and trace.trace_id):
            try:
                await self._app(scope, receive, answer.send)
            finally:
                answer.end()


@dataclass
class _Answer:
    """An answer on its way out."""

    scope: Scope
    to: Send
    request_id: str
    metrics: GatewayMetrics

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        # What the server makes of an application that breaks off.
        self._status = 500
        self._took: float | None = None
        self._is_stream = self._is_problem = False

    async def send(self, message: Message) -> None:
        """Pass it on."""
        if message["type"] == "http.response.start":
            self._note_head(message)
        elif self._is_problem and message.get("body"):
            self._is_problem = False
            self.metrics.refused(_code(message["body"]))
        await self.to(message)

    def end(self) -> None:
        """Nothing follows."""
        if self._is_stream:
            self.metrics.streams.dec()
        took = time.monotonic() - self._began if self._took is None else self._took
        route, method = _route(self.scope), self.scope["method"]
        self.metrics.answered(route, method, self._status, took)
        if route not in QUIET_ROUTES or self._status != 200:
            # The path without its query, which may hold words of a prompt.
            path = ascii(self.scope["path"])[1:-1]
            REQUESTS.info("%s %s %d in %.1f ms", method, path, self._status, 1000 * took)

    def _note_head(self, message: Message) -> None:
        headers = MutableHeaders(raw=message["headers"])
        headers[REQUEST_ID] = self.request_id
        self._status = message["status"]
        media_type = headers.get("content-type", "").partition(";")[0]
        self._is_problem = media_type == MEDIA_TYPE
        if media_type == STREAM:
            self._is_stream = True
            self._took = time.monotonic() - self._began
            self.metrics.streams.inc()


def _route(scope: Scope) -> str:
    """The template of the route that answered, however many ids there are."""
    return str(getattr(scope.get("route"), "path", UNKNOWN_ROUTE))


def _code(body: bytes) -> str:
    return str(json.loads(body)["code"])
