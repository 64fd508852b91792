"""ASGI middleware that answers HEAD wherever GET exists, with the status and headers of GET and no body."""

from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What the request was, for the log: the application sees a GET.
ASKED_METHOD = "brushwork.asked_method"


class HeadAsGet:
    """Runs the GET route for HEAD, so that no route can forget it. A route of its own for HEAD goes first.

    A stream ends after its headers: the application is told that the reader has left.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as GET if it is a HEAD without a route of its own."""
        if scope["type"] != "http" or scope["method"] != "HEAD" or _has_own_route(scope):
            await self._app(scope, receive, send)
            return
        headers = _Headers(receive, send)
        as_get = {**scope, "method": "GET", ASKED_METHOD: "HEAD"}
        await self._app(as_get, headers.receive, headers.send)


class _Headers:
    """An answer of which only the headers are sent.

    Args:
        receive: Receives the request.
        send: Sends the answer.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._are_sent = False

    async def receive(self) -> Message:
        return {"type": "http.disconnect"} if self._are_sent else await self._receive()

    async def send(self, message: Message) -> None:
        if self._are_sent:
            return
        await self._send(message)
        if message["type"] == "http.response.start":
            self._are_sent = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _has_own_route(scope: Scope) -> bool:
    return any(route.matches(scope)[0] is Match.FULL for route in scope["app"].router.routes)
