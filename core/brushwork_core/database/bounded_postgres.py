"""PostgreSQL connections with a time limit on every reply.

libpq detects a host that no longer acknowledges packets. A proxy, a load balancer or a frozen server
acknowledges them but never replies. Without a limit, all threads of a worker would wait forever, also those
that detect dead workers.

The server has limits, too. Without them, a client that is frozen or whose host is gone would keep its locks,
and a statement would still wait for locks after its client has given up. A direct connection sets them once,
for its session. A pooler such as PgBouncer in transaction mode gives the sessions of the server to its
clients in turns, so a setting of a session would reach other clients. Behind a pooler the limits are part of
the BEGIN of each transaction, in the same message.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection

# Limit for an idle transaction. It is smaller than the limit of a reply, so that a statement that waits for
# its locks gets a reply in time.
IDLE_S = 10.0
# The server cancels a statement after the client has given up, so that the client raises its own error.
LATER_S = 1.0


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that closes itself if the server does not reply in time.

    `answer_s` is the limit of one reply in seconds; None for no limit. `is_pooled` says whether a pooler is
    between this process and the server. `begin` is what begins a transaction there.
    """

    answer_s: float | None = None
    is_pooled: bool = False
    begin: str | None = None

    def limit_server(self) -> None:
        """Set the limits of the server, and learn whether a pooler is in between.

        A pooler sends a process id of its own when a connection opens, because it does not know yet which
        server process will answer. The server compares the id with its own: if they differ, it sets nothing.
        """
        limits = _server_limits(IDLE_S, self.answer_s + LATER_S if self.answer_s else 0)
        calls = ", ".join(f"set_config('{name}', '{limit_ms}', false)" for name, limit_ms in limits.items())
        asked = f"SELECT {calls} WHERE pg_backend_pid() = {self.pgconn.backend_pid}"
        self.autocommit = True
        self.is_pooled = self.execute(asked.encode(), prepare=False).fetchone() is None
        if self.is_pooled:
            # psycopg would send a BEGIN of its own. `begin_limited` sends one with the limits.
            self.begin = f"BEGIN; {_set_local(limits)}"
            # The next transaction may run in another session of the server, which has not prepared them.
            self.prepare_threshold = None
        else:
            self.autocommit = False

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
        connection.limit_server()
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _server_limits(idle_s: float, statement_s: float) -> dict[str, int]:
    """Return the server's settings in milliseconds; 0 for no limit."""
    limits = {"idle_in_transaction_session_timeout": idle_s, "statement_timeout": statement_s}
    return {name: round(1000 * limit_s) for name, limit_s in limits.items()}


def _set_local(limits: dict[str, int]) -> str:
    return "; ".join(f"SET LOCAL {name} = {limit_ms}" for name, limit_ms in limits.items())


def begin_limited(connection: Connection) -> None:
    """Begin a transaction of SQLAlchemy, with limits of its own if a pooler is in between."""
    driver = connection.connection.driver_connection
    if isinstance(driver, BoundedConnection) and driver.begin:
        # Whoever changes the isolation level turns this off, and psycopg would send a BEGIN of its own.
        if not driver.autocommit:
            driver.autocommit = True
        # Several statements in one message, which a message with parameters cannot have.
        connection.exec_driver_sql(driver.begin, execution_options={"no_parameters": True})


@contextmanager
def unbounded(connection: object) -> Iterator[None]:
    """Remove the limits inside the block; on the server, until the transaction ends."""
    if not isinstance(connection, BoundedConnection):
        yield
        return
    connection.execute(_set_local(_server_limits(0, 0)).encode())
    answer_s, connection.answer_s = connection.answer_s, None
    try:
        yield
    finally:
        connection.answer_s = answer_s
