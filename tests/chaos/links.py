"""One connection through the proxy, and the trap in which its answer may get lost."""

import asyncio
import socket
import struct
from collections.abc import Callable
from enum import Enum

# SO_LINGER on, for no time: closing says RST.
ABRUPTLY = struct.pack("ii", 1, 0)


class Way(Enum):
    """Directions."""

    UP = "to the server"
    DOWN = "from the server"


class Trap:
    """Which request's answer gets lost, and how; safe to ask from one thread.

    Args:
        words: What the request holds.
        resets: Whether the connection is reset instead; else it goes silent for ever.
        springs: Asked at each such request whether it is one of those.
    """

    def __init__(
        self, words: bytes, *, resets: bool = True, springs: Callable[[], bool] = lambda: True
    ) -> None:
        self.resets = resets
        self.num_caught = 0
        self._words = words
        self._springs = springs

    def catches(self, request: bytes) -> bool:
        return self._words in request and self._springs()


class Link:
    """Both sides of a connection.

    Args:
        client: Writes to who has connected.
        server: Writes to the server.
    """

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._client = client
        self._server = server
        # Once something is lost that way, what follows would be no sense.
        self.silent: set[Way] = set()
        self.trap: Trap | None = None

    def forget(self) -> None:
        """The server's side ends, the other hears no more of it."""
        self.silent = {Way.UP, Way.DOWN}
        self._server.transport.abort()

    def reset(self) -> None:
        """RST to both sides."""
        for side in (self._client, self._server):
            if not side.is_closing():
                own: socket.socket = side.get_extra_info("socket")
                if own.family != socket.AF_UNIX:
                    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPTLY)
            side.transport.abort()

    def answered(self) -> None:
        """The server has carried out the trapped request, and nobody is to hear of it."""
        assert self.trap is not None
        if Way.DOWN not in self.silent:
            self.trap.num_caught += 1
            self.silent.add(Way.DOWN)
            if self.trap.resets:
                self.reset()
