"""ASGI middleware around every request: the request id, the log line and the metrics."""

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

from brushwork.gateway.head_requests import ASKED_METHOD
from brushwork.gateway.problems import MEDIA_TYPE
from brushwork.gateway.telemetry.metrics import GatewayMetrics

REQUESTS = logging.getLogger("brushwork.gateway.requests")
REQUEST_ID = "x-request-id"
STREAM = "text/event-stream"
# Monitoring calls these every few seconds. Only failures are logged.
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
UNKNOWN_ROUTE = "unknown"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class AccessLog:
    """Around all middleware but that of HEAD requests, so that it sees every answer as it is sent.

    Args:
        app: The application.
        metrics: Counts the requests.
    """

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, then log and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        # The id of the caller is kept if it is safe to log.
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
    """An answer that is being sent."""

    scope: Scope
    to: Send
    request_id: str
    metrics: GatewayMetrics

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        # The status if the application fails before it answers.
        self._status = 500
        self._took: float | None = None
        self._is_stream = self._is_problem = False

    async def send(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self._note_head(message)
        elif self._is_problem and message.get("body"):
            self._is_problem = False
            self.metrics.refused(_code(message["body"]))
        await self.to(message)

    def end(self) -> None:
        """Log and count the answer."""
        if self._is_stream:
            self.metrics.streams.dec()
        took = time.monotonic() - self._began if self._took is None else self._took
        route, method = _route(self.scope), self.scope.get(ASKED_METHOD, self.scope["method"])
        self.metrics.answered(route, method, self._status, took)
        if route not in QUIET_ROUTES or self._status != 200:
            # Without the query, which may contain a prompt.
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
    """Return the template of the route, so that ids do not become label values."""
    return str(getattr(scope.get("route"), "path", UNKNOWN_ROUTE))


def _code(body: bytes) -> str:
    return str(json.loads(body)["code"])
