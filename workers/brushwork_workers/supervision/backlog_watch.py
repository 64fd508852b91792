"""Finds jobs that wait in the ledger, with one query for all kinds, by as few workers as needed.

A message wakes a worker for a new job. Some jobs wait without one: their pause is over, they were given back,
or Redis was away or had no room. The leader finds them, for it looks regularly, and wakes the others. Another
worker looks when one of its own jobs has ended, and regularly only while Redis is away.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from brushwork_schemas.errors import ServiceUnreachable

LOOK_EVERY_S = 0.25
# Of a leader that is notified, while no job waits. What it is not told is found so late.
NOTIFIED_LOOK_S = 1.0


class BacklogQuery(Protocol):
    """The part of the ledger that tells of which kinds jobs wait."""

    def kinds_with_work(self, kinds: Sequence[str], worker: str = "") -> list[str]:
        """Return those of `kinds` of which a job waits that `worker` may claim."""
        ...


class BacklogWatch:
    """Looks for waiting jobs; to be called every `LOOK_EVERY_S`, and when `wanted` is set.

    Args:
        ledger: Knows the backlog.
        worker: Name of this worker.
        own_kinds: The kinds that it serves.
        known_kinds: The kinds that it knows. The leader looks for all of them.
        leads: Returns whether this worker is the leader.
        is_notified: Returns whether notifications of the database arrive.
        has_room: Returns whether this worker could begin another job.
        has_messages: Returns whether Redis answers, so that messages wake workers.
        wake_self: Makes this worker claim jobs.
        wake_others: Called with the kinds of which jobs wait; only by the leader.
    """

    def __init__(
        self,
        ledger: BacklogQuery,
        worker: str,
        own_kinds: Sequence[str],
        known_kinds: Sequence[str],
        *,
        leads: Callable[[], bool],
        is_notified: Callable[[], bool],
        has_room: Callable[[], bool],
        has_messages: Callable[[], bool],
        wake_self: Callable[[], None],
        wake_others: Callable[[Sequence[str]], None],
    ) -> None:
        self._ledger = ledger
        self._worker = worker
        self._own_kinds = tuple(own_kinds)
        self._known_kinds = tuple(known_kinds)
        self._leads = leads
        self._is_notified = is_notified
        self._has_room = has_room
        self._has_messages = has_messages
        self._wake_self = wake_self
        self._wake_others = wake_others
        self._wanted = threading.Event()
        self._has_ended = False
        self._looks_at = 0.0

    @property
    def wanted(self) -> threading.Event:
        """Set when `look` should be called at once."""
        return self._wanted

    def job_ended(self) -> None:
        """Note that a job of this worker has ended, so there is room for another."""
        self._has_ended = True

    def look(self) -> None:
        """Look for waiting jobs, if this worker has a reason to.

        Raises:
            ServiceUnreachable: The database does not answer. The next call looks again.
        """
        is_wanted = self._wanted.is_set() or self._has_ended
        self._wanted.clear()
        self._has_ended = False
        try:
            if self._leads():
                if is_wanted or time.monotonic() >= self._looks_at:
                    self._look_for_all()
            elif (is_wanted or not self._has_messages()) and self._has_room():
                self.look_for_own()
        except ServiceUnreachable:
            self._has_ended = True
            raise

    def _look_for_all(self) -> None:
        found = self._ledger.kinds_with_work(self._known_kinds)
        # While jobs wait, there may be room for them at any moment.
        pause_s = NOTIFIED_LOOK_S if self._is_notified() and not found else 0.0
        self._looks_at = time.monotonic() + pause_s
        if self._has_room() and not set(found).isdisjoint(self._own_kinds):
            self._wake_self()
        if found and self._has_messages():
            self._wake_others(found)

    def look_for_own(self) -> None:
        """Look for jobs that this worker may claim.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        if self._ledger.kinds_with_work(self._own_kinds, self._worker):
            self._wake_self()
