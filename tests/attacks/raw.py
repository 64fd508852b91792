"""Connections of an attacker, as plain sockets."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.attacks.attacked import Attacked

CONNECT_S = 5.0
# Closed connections are opened again after so many seconds.
REOPEN_S = 0.5


def head(key: str | None, *headers: str, path: str = "/v1/jobs", method: str = "POST") -> bytes:
    """The head of a request, with its empty line.

    Args:
        key: API key; None for none.
        headers: More lines.
        path: The path.
        method: The method.
    """
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def held() -> Iterator[list[socket.socket]]:
    """A list of connections that are closed at the end."""
    connections: list[socket.socket] = []
    try:
        yield connections
    finally:
        for each in connections:
            each.close()


def opened(gateway: Attacked, sent: bytes = b"") -> socket.socket | None:
    """A connection that has sent its first bytes; None if the gateway did not take it."""
    with suppress(OSError):
        connection = socket.create_connection(gateway.host_and_port, timeout=CONNECT_S)
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        return connection
    return None


def flooded(gateway: Attacked, first: bytes, piece: bytes, *, until: float, most: int) -> int:
    """Send a beginning and then a piece over and over, on new connections where the gateway closes.

    Args:
        gateway: To whom.
        first: The beginning of each connection.
        piece: What is repeated.
        until: When to stop, by `time.monotonic`.
        most: Bytes after which to stop.

    Returns:
        Number of bytes sent.
    """
    num_sent = 0
    while num_sent < most and time.monotonic() < until:
        connection = opened(gateway, first)
        if connection is None:
            continue
        num_sent += len(first)
        with connection, suppress(OSError):
            while num_sent < most and time.monotonic() < until:
                connection.sendall(piece)
                num_sent += len(piece)
    return num_sent


def kept_open(gateway: Attacked, number: int, first: Callable[[int], bytes], *, until: float) -> int:
    """Hold so many connections open that have sent a beginning, with new ones in place of closed ones.

    Args:
        gateway: To whom.
        number: Number of connections.
        first: Returns what a connection sends first, by its index.
        until: When to stop, by `time.monotonic`.

    Returns:
        Number of bytes sent.
    """
    num_sent = 0
    with held() as connections:
        while time.monotonic() < until:
            closed = [index for index, each in enumerate(connections) if _is_closed(each)]
            wanted = [*closed, *range(len(connections), number)]
            for index in wanted:
                connection = opened(gateway, first(index)) if time.monotonic() < until else None
                if connection is None:
                    break
                num_sent += len(first(index))
                if index < len(connections):
                    connections[index].close()
                connections[index : index + 1] = [connection]
            time.sleep(REOPEN_S)
    return num_sent


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(65536, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.setblocking(True)
