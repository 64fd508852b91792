"""Receivers of webhooks, that note what they are told and answer as they are asked to; and a sender."""

import asyncio
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from brushwork.webhooks.schedule import Schedule
from brushwork.webhooks.sender import Sender
from brushwork.webhooks.service import outbox_of, webhook_client_of
from brushwork.webhooks.signature import Signature
from brushwork_core.database.database import Database
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings

from benchmarks.program import Program

SECRET = "whsec_" + "c2VjcmV0" * 5
# As long as nothing is wrong with a test, nobody waits so long.
BOUND_S = 20.0
Reply = Callable[["_Handler"], None]


@dataclass(frozen=True)
class Heard:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """A web server that answers 204 unless `replies` has something else for the next request."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.heard: list[Heard] = []
        self.replies: deque[Reply] = deque()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer((host, port), _Handler)
        self._server.receiver = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def ids(self) -> list[str]:
        return [heard.webhook_id for heard in self.heard]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A connection that is kept open would otherwise keep its thread.
    timeout = 1.0

    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = receiver.replies.popleft() if receiver.replies else status(204)
        receiver.heard.append(Heard(self.path, headers, body))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            reply(self)

    def log_message(self, *arguments: object) -> None:
        pass


def status(code: int, **headers: str) -> Reply:
    """An answer without a body."""

    def reply(handler: _Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if code != 204:
            handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


def hold(handler: _Handler) -> None:
    """No answer until the receiver is released."""
    handler.server.receiver.released.wait(BOUND_S)  # type: ignore[attr-defined]
    status(204)(handler)


def trickle(handler: _Handler) -> None:
    """Headers that never end, a byte at a time."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not handler.server.receiver.released.wait(0.01):  # type: ignore[attr-defined]
        handler.wfile.write(b"x")


def hang_up(handler: _Handler) -> None:
    """The connection ends without an answer."""
    handler.close_connection = True


def break_off(handler: _Handler) -> None:
    """The connection ends in the middle of the answer's body."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first words")
    handler.close_connection = True


def flood(handler: _Handler) -> None:
    """A body without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while not handler.server.receiver.released.is_set():  # type: ignore[attr-defined]
        handler.wfile.write(bytes(100_000))
    handler.close_connection = True


class Sending:
    """A sender in a thread of this process, from `with` to its end.

    Args:
        settings: Its bounds.
        database: Where the events are.
        options: More arguments of `Sender`.
    """

    def __init__(self, settings: Settings, database: Database, **options: Any) -> None:
        self._settings = settings
        self._database = database
        self._options = {"look_s": 0.01, **options}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        async with webhook_client_of(self._settings) as webhook_client:
            self._sender = Sender(
                outbox_of(self._settings, self._database),
                JobIndex(self._database),
                webhook_client,
                Signature(SECRET),
                Schedule(self._settings.webhook_retry_s),
                **self._options,
            )
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._sender.run()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(BOUND_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._sender.stop)
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def sender_process(settings: Settings, log: Path) -> Iterator[None]:
    """`brushwork webhooks send`, that tries again at once and may tell loopback; it speaks to `log`."""
    environment = {
        "BRUSHWORK_DATABASE_URL": settings.database_url.get_secret_value(),
        "BRUSHWORK_WEBHOOK_SECRET": SECRET,
        "BRUSHWORK_WEBHOOK_PRIVATE": "true",
        "BRUSHWORK_WEBHOOK_RETRY_S": "1e-5",
        "BRUSHWORK_WEBHOOK_TIMEOUT_S": str(BOUND_S),
    }
    argv = [sys.executable, "-m", "brushwork", "webhooks", "send"]
    with Program(argv, log, lambda: "Ready" in log.read_text("utf-8"), environment):
        yield
