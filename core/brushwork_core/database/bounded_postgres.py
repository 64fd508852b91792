"""PostgreSQL connections with a time limit on every reply.

libpq detects a host that no longer acknowledges packets. A proxy, a load balancer or a frozen server
acknowledges them but never replies. Without a limit, all threads of a worker would wait forever, also those
that detect dead workers.

The server has limits, too. Without them, a client that is frozen or whose host is gone would keep its locks,
and a statement would still wait for locks after its client has given up.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

# Limit for an idle transaction. It is smaller than the limit of a reply, so that a statement that waits for
# its locks gets a reply in time.
IDLE_S = 10.0
# The server cancels a statement after the client has given up, so that the client raises its own error.
LATER_S = 1.0


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself if the server does not reply in time.

    `answer_s` is the limit of one reply in seconds; None for no limit.
    """

    answer_s: float | None = None

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
        """Wait for a reply. psycopg calls this for every exchange with the server."""
        if self.answer_s is not None:
            gen = _bounded(gen, time.monotonic() + self.answer_s, self.pgconn.finish)
        return super().wait(gen, *args, **options)


def _bounded(
    gen: Generator[Any, Any, Any], deadline: float, close: Callable[[], None]
) -> Generator[Any, Any, Any]:
    try:
        wanted = next(gen)
        while True:
            # Nothing is ready. psycopg asks ten times per second.
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                close()
                raise psycopg.OperationalError("the server has not replied in time")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


def connect(answer_s: float | None, *args: Any, **options: Any) -> BoundedConnection:
    """Open a connection with a limit of `answer_s` seconds for each reply; None for no limit."""
    connection = BoundedConnection.connect(*args, **options)
    connection.answer_s = answer_s
    try:
        # Not as options of the connection, because a pooler such as PgBouncer rejects them.
        connection.autocommit = True
        _bound_server(connection, "SESSION", IDLE_S, answer_s + LATER_S if answer_s else 0)
        connection.autocommit = False
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _bound_server(connection: BoundedConnection, scope: str, idle_s: float, statement_s: float) -> None:
    """Set the limits of the server in seconds; 0 for no limit."""
    bounds = {"idle_in_transaction_session_timeout": idle_s, "statement_timeout": statement_s}
    words = (f"SET {scope} {name} = {round(bound_s * 1000)}" for name, bound_s in bounds.items())
    connection.execute("; ".join(words).encode())


@contextmanager
def unbounded(connection: object) -> Iterator[None]:
    """Remove the limits inside the block; on the server, until the transaction ends."""
    if not isinstance(connection, BoundedConnection):
        yield
        return
    _bound_server(connection, "LOCAL", 0, 0)
    answer_s, connection.answer_s = connection.answer_s, None
    try:
        yield
    finally:
        connection.answer_s = answer_s
