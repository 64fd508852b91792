"""PostgreSQL connections on which no answer is waited for without end, by either side.

libpq notices by itself when nobody acknowledges what it sent. A proxy, a load balancer or a server that
stands still does acknowledge it, and never answers: every thread of a worker would then wait for ever, those
that notice the dead included.

The other way round, a process that is frozen in mid-transaction, or whose host is gone, would keep its locks
for as long; and a question that nobody waits for any more would go on waiting for its own.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

# Of a transaction whose next statement does not come. Less than what an answer may take, so that who waits
# for its locks is answered.
IDLE_S = 10.0
# The server gives a statement up after us: who is still there is to say so in our words.
LATER_S = 1.0


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself where the server keeps silent.

    `answer_s` is how long one answer may take; None is without end.
    """

    answer_s: float | None = None

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
        """What psycopg waits with, for whatever it asks the server."""
        if self.answer_s is not None:
            gen = _bounded(gen, time.monotonic() + self.answer_s, self.pgconn.finish)
        return super().wait(gen, *args, **options)


def _bounded(
    gen: Generator[Any, Any, Any], deadline: float, close: Callable[[], None]
) -> Generator[Any, Any, Any]:
    try:
        wanted = next(gen)
        while True:
            # Nothing is ready: psycopg asks again ten times a second.
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                close()
                raise psycopg.OperationalError("the server has not answered in time")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value


def connect(answer_s: float | None, *args: Any, **options: Any) -> BoundedConnection:
    """As `psycopg.connect`, each answer within `answer_s`."""
    connection = BoundedConnection.connect(*args, **options)
    connection.answer_s = answer_s
    try:
        # Not as options of the connection, which a pooler such as PgBouncer refuses.
        connection.autocommit = True
        _bound_server(connection, "SESSION", IDLE_S, answer_s + LATER_S if answer_s else 0)
        connection.autocommit = False
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _bound_server(connection: BoundedConnection, scope: str, idle_s: float, statement_s: float) -> None:
    """Tell the server how long it may wait; 0 is without end."""
    bounds = {"idle_in_transaction_session_timeout": idle_s, "statement_timeout": statement_s}
    words = (f"SET {scope} {name} = {round(bound_s * 1000)}" for name, bound_s in bounds.items())
    connection.execute("; ".join(words).encode())


@contextmanager
def unbounded(connection: object) -> Iterator[None]:
    """Inside, answers of this connection may take any time; on the server until the transaction ends."""
    if not isinstance(connection, BoundedConnection):
        yield
        return
    _bound_server(connection, "LOCAL", 0, 0)
    answer_s, connection.answer_s = connection.answer_s, None
    try:
        yield
    finally:
        connection.answer_s = answer_s
