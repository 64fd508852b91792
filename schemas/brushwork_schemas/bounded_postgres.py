"""PostgreSQL connections on which no answer is waited for without end.

libpq notices by itself when nobody acknowledges what it sent. A proxy, a load balancer or a server that
stands still does acknowledge it, and never answers: every thread of a worker would then wait for ever, those
that notice the dead included.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


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
    return connection


@contextmanager
def unbounded(connection: object) -> Iterator[None]:
    """Inside, answers of this connection may take any time."""
    if not isinstance(connection, BoundedConnection):
        yield
        return
    answer_s, connection.answer_s = connection.answer_s, None
    try:
        yield
    finally:
        connection.answer_s = answer_s
