"""Notifications of PostgreSQL: who waits for something need not ask again and again.

LISTEN belongs to a session of the server. A pooler in transaction mode gives the session to another client at
the end of the statement, and the notification reaches nobody, without an error. So a listener has an address
of its own, `BRUSHWORK_DATABASE_LISTEN_URL`, and is tested when it opens: a notification that is sent as all
others are has to arrive. If it does not, the caller asks again and again, and the log says why.
"""

import logging
import secrets
import time
from typing import TYPE_CHECKING

from brushwork_schemas.errors import BrushworkError, ServiceUnreachable
from brushwork_schemas.wording.phrase import private, said
from sqlalchemy import Connection, func, make_url, select

from brushwork_core.database.database import Database, driver_options

if TYPE_CHECKING:
    from brushwork_core.settings.groups import ServiceSettings

LOGGER = logging.getLogger(__name__)
FIELD = "database_listen_url"
TEST_S = 2.0
# Payloads of the test, which `payloads` does not return.
TEST_PREFIX = "self-test "
_NOT_ARRIVED = (
    "a notification did not arrive. BRUSHWORK_DATABASE_LISTEN_URL must lead to the same database as "
    "BRUSHWORK_DATABASE_URL, without a pooler in transaction mode"
)
# Reasons that this process has logged.
_LOGGED: set[str] = set()


def notify(connection: Connection, channel: str, payload: str) -> None:
    """Send a notification when the transaction of `connection` commits. Only PostgreSQL has notifications."""
    connection.execute(select(func.pg_notify(channel, payload)))


class Listener:
    """A connection that receives the notifications of a channel. For one thread.

    Args:
        url: SQLAlchemy address of PostgreSQL itself, without a pooler in transaction mode.
        channel: Name of the channel.
        user: Kind and name of the process, as for `Database`.

    Raises:
        ServiceUnreachable: The database does not answer, refuses this program, or a pooler is in between.
    """

    def __init__(self, url: str, channel: str, user: str = "") -> None:
        # Imported here, because the driver is an optional dependency.
        import psycopg
        from psycopg import sql

        self._error: type[Exception] = psycopg.Error
        try:
            self._connection = psycopg.connect(**driver_options(url, user), autocommit=True)
        except psycopg.Error as error:
            raise _away(error) from error
        try:
            answering = self._connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
            if answering != (self._connection.info.backend_pid,):
                raise ServiceUnreachable(
                    "A pooler is between this process and PostgreSQL, so notifications do not arrive.",
                    field=FIELD,
                    hint="Set BRUSHWORK_DATABASE_LISTEN_URL to the address of PostgreSQL itself.",
                )
            self._connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        except psycopg.Error as error:
            self.close()
            raise _away(error) from error
        except ServiceUnreachable:
            self.close()
            raise

    def payloads(self, timeout_s: float) -> list[str]:
        """Wait for notifications and return their payloads, oldest first; none at the end of `timeout_s`.

        Raises:
            ServiceUnreachable: The connection is lost. Notifications may be lost, too: look at the tables.
        """
        return [payload for payload in self._received(timeout_s) if not payload.startswith(TEST_PREFIX)]

    def hears(self, database: Database, channel: str, timeout_s: float) -> bool:
        """Send a notification through `database`, and return whether it arrives here in time.

        Args:
            database: The database through which others send theirs.
            channel: The channel of this listener.
            timeout_s: Seconds to wait.

        Raises:
            ServiceUnreachable: One of the two connections is lost.
        """
        payload = TEST_PREFIX + secrets.token_hex(8)
        with database.writing() as connection:
            notify(connection, channel, payload)
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            if payload in self._received(left_s):
                return True
        return False

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _received(self, timeout_s: float) -> list[str]:
        try:
            return [each.payload for each in self._connection.notifies(timeout=timeout_s, stop_after=1)]
        except self._error as error:
            raise _away(error) from error


def open_listener(
    settings: "ServiceSettings", database: Database, channel: str, user: str = "", *, test_s: float = TEST_S
) -> Listener | None:
    """Open a listener and test it; None if notifications do not arrive, and the log says why.

    Args:
        settings: Address for listening; by default that of the database.
        database: The database through which others send their notifications.
        channel: Name of the channel.
        user: Kind and name of the process, as for `Database`.
        test_s: Seconds to wait for the notification of the test.
    """
    url = (settings.database_listen_url or settings.database_url).get_secret_value()
    if database.engine.dialect.name != "postgresql" or make_url(url).get_driver_name() != "psycopg":
        return None
    try:
        listener = Listener(url, channel, user)
    except BrushworkError as error:
        _log_once(str(error))
        return None
    try:
        reason = None if listener.hears(database, channel, test_s) else _NOT_ARRIVED
    except BrushworkError as error:
        reason = str(error)
    if reason is None:
        _LOGGED.clear()
        return listener
    listener.close()
    _log_once(reason)
    return None


def _log_once(reason: str) -> None:
    """Log a reason, but not again at each further try."""
    level = logging.DEBUG if reason in _LOGGED else logging.WARNING
    _LOGGED.add(reason)
    LOGGER.log(level, "This process asks the database regularly, because it cannot listen: %s", reason)


def _away(error: Exception) -> ServiceUnreachable:
    return ServiceUnreachable(
        said("The database does not answer: {orig}.", orig=private(str(error).strip().rstrip("."))),
        field=FIELD,
        hint="Check BRUSHWORK_DATABASE_LISTEN_URL, and that the server is running.",
    )
