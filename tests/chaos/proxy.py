"""A TCP proxy that is a bad network: slow, deaf in one direction, forgetful, abrupt, or late by one answer.

It stands before a server from `with` to its end, on a port of its own:

    with Proxy(("127.0.0.1", redis.port)) as proxy:
        proxy.latency_s = 0.1          # each piece of data comes so much later
        proxy.silence(Way.DOWN)        # what the server says arrives no more, on connections old and new
        proxy.heal()                   # new connections are whole again; what went silent stays so
        proxy.forget()                 # half-open: the server's side is closed, the other side is not told
        proxy.reset()                  # RST on both sides of all connections
        proxy.trap = Trap(b"COMMIT")   # such a request is carried out, its answer lost
        proxy.refuse()                 # nobody listens on the port, and all connections are reset
        proxy.admit()                  # somebody listens again
"""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from sqlalchemy import make_url

from tests.chaos.links import Link, Trap, Way

CHUNK = 1 << 16
START_S = 10.0


class Proxy:
    """See above.

    Args:
        target: The server: host and port, or its Unix socket.
    """

    def __init__(self, target: tuple[str, int] | Path) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._links: set[Link] = set()
        self._silent: set[Way] = set()
        self._closing = asyncio.Event()
        self._refuses = False
        self.latency_s = 0.0
        self.trap: Trap | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(self._listen())
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(self, *error: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def num_links(self) -> int:
        """Connections that are open now, silent or not."""
        return len(self._links)

    def silence(self, *ways: Way) -> None:
        """Whatever goes there is lost from now on."""
        self._silent = set(ways)

    def stop_listening(self) -> None:
        """Refuse new connections, and reset all that are open."""

        async def do() -> None:
            self._server.close()

        self._do(do())
        self.reset()

    def heal(self) -> None:
        """A network as it should be; connections that have lost something stay as they are."""
        self._silent, self.latency_s, self.trap = set(), 0.0, None

    def refuse(self) -> None:
        """Reset all connections and refuse new ones."""
        self._do(self._stop_listening())
        self.reset()

    def admit(self) -> None:
        """Take new connections again."""
        self._server = self._do(self._listen(self.port))

    def forget(self) -> None:
        """Close the server's side of all connections and say nothing to the other."""
        self._for_each(Link.forget)

    def reset(self) -> None:
        """Reset all connections."""
        self._for_each(Link.reset)

    def _for_each(self, deed: Callable[[Link], None]) -> None:
        async def do() -> None:
            for link in list(self._links):
                deed(link)

        self._do(do())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    async def _listen(self, port: int = 0) -> asyncio.Server:
        self._refuses = False
        return await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def _stop_listening(self) -> None:
        self._refuses = True
        self._server.close()

    async def _close(self) -> None:
        await self._stop_listening()
        self._closing.set()
        for link in list(self._links):
            link.reset()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        # A connection that was made while the port was being closed.
        if self._refuses:
            writer.transport.abort()
            server[1].transport.abort()
            return
        link = Link(writer, server[1])
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(link, Way.UP, reader, server[1]), self._pump(link, Way.DOWN, server[0], writer)
            )
        finally:
            self._links.discard(link)
            link.reset()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(str(self._target))
        return await asyncio.open_connection(*self._target)

    async def _pump(
        self, link: Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if self._passes(link, way, data):
                    writer.write(data)
                    await writer.drain()
        # An end is told like anything else: not by a network that is silent.
        if way in link.silent:
            await self._closing.wait()
        link.reset()

    def _passes(self, link: Link, way: Way, data: bytes) -> bool:
        link.silent |= self._silent & {way}
        if way is Way.UP and self.trap is not None and link.trap is None and self.trap.catches(data):
            link.trap = self.trap
        elif way is Way.DOWN and link.trap is not None:
            link.answered()
        return way not in link.silent


def port_of(redis_url: str, port: int) -> str:
    """The same Redis by another port."""
    start, _, database = redis_url.rpartition("/")
    return f"{start.rpartition(':')[0]}:{port}/{database}"


def by_port(database_url: str, port: int, *, answer_s: float = 20.0) -> str:
    """The same database by another port, and how long its answers may take."""
    query = {
        "sslmode": "disable",
        "connect_timeout": str(math.ceil(answer_s)),
        "tcp_user_timeout": str(round(answer_s * 1000)),
    }
    address = make_url(database_url).set(host="127.0.0.1", port=port, query=query)
    return address.render_as_string(hide_password=False)


def socket_of(database_url: str) -> Path:
    """PostgreSQL's Unix socket."""
    return Path(str(make_url(database_url).query["host"])) / ".s.PGSQL.5432"
