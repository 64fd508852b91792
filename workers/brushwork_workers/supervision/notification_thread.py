"""Hears the notifications of the database while this worker leads: only a leader needs the connection."""

import time
from collections.abc import Callable, Mapping
from threading import Event
from typing import Protocol

from brushwork_schemas.errors import ServiceUnreachable

WAIT_S = 1.0
# Where notifications do not arrive, they are tried again after this time.
TRY_AGAIN_S = 60.0


class Notifications(Protocol):
    """An open connection that receives notifications."""

    def payloads(self, timeout_s: float) -> list[str]:
        """Wait for notifications and return their payloads.

        Raises:
            ServiceUnreachable: The connection is lost.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class NotificationThread:
    """Sets an event for each notification; `hear` is to be called again and again.

    Args:
        open_: Opens a tested connection; None where notifications do not arrive.
        leads: Returns whether this worker leads.
        events: What to set, by payload. Other payloads are ignored.
    """

    def __init__(
        self,
        open_: Callable[[], Notifications | None],
        leads: Callable[[], bool],
        events: Mapping[str, Event],
    ) -> None:
        self._open = open_
        self._leads = leads
        self._events = events
        self._connection: Notifications | None = None
        self._opens_at = 0.0

    @property
    def is_notified(self) -> bool:
        """Whether notifications arrive."""
        return self._connection is not None

    def hear(self) -> None:
        """Wait for a notification for at most a second. Returns at once if this worker does not lead.

        Raises:
            ServiceUnreachable: The connection is lost. The next call opens another one.
        """
        if not self._leads():
            self.close()
            return
        if self._connection is None and time.monotonic() >= self._opens_at:
            self._opens_at = time.monotonic() + TRY_AGAIN_S
            self._connection = self._open()
            # What happened while nobody listened.
            self._set(self._events)
        if self._connection is not None:
            try:
                self._set(self._connection.payloads(WAIT_S))
            except ServiceUnreachable:
                self._opens_at = 0.0
                self.close()
                raise

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _set(self, payloads: "Mapping[str, Event] | list[str]") -> None:
        for payload in payloads:
            if payload in self._events:
                self._events[payload].set()
