"""Whether a connection of the pool is still open, without a question to the server for each transaction.

A server that ends a connection, or a host that restarts, closes the socket. Then it is readable, although
nobody has asked anything. Only a connection that was not used for a while is asked: a firewall may have
forgotten it silently.
"""

import select
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

# A connection that was not used for so many seconds is asked.
ASK_AFTER_S = 30.0
_USED_AT = "brushwork_used_at"


def check_at_checkout(engine: Engine) -> None:
    """Have each connection checked when it leaves the pool. All are replaced if one has been closed."""

    def check(connection: Any, record: ConnectionPoolEntry, proxy: object) -> None:
        used_at = record.info.get(_USED_AT)
        # A new connection has just answered.
        if used_at is None:
            return
        if time.monotonic() - used_at < ASK_AFTER_S and not _has_input(connection):
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError from error

    def note_use(connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    event.listen(engine, "checkout", check)
    event.listen(engine, "checkin", note_use)


def _has_input(connection: Any) -> bool:
    """Whether the server has sent something, or has closed the connection."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    except Exception:
        # The driver has closed the connection itself, and says so.
        return True
