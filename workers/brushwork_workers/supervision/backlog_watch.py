"""Finds kinds of which jobs wait in the ledger, with one query for all of them, by as few workers as needed.

Jobs begin to wait unnoticed for three reasons. The message of another job was taken, so there is room for
theirs: then the worker that took it looks. They were given back: then the ledger notifies the leader. Or
their pause is over, or Redis did not take their messages: then the leader finds them, for it looks regularly.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from brushwork_schemas.errors import ServiceUnreachable

LOOK_EVERY_S = 0.25
# Of a leader that is notified. What it is not told is found so late.
NOTIFIED_LOOK_S = 1.0


class BacklogQuery(Protocol):
    """The part of the ledger that tells of which kinds jobs wait."""

    def kinds_with_backlog(self, kinds: Sequence[str]) -> list[str]:
        """Return those of `kinds` of which a job waits."""
        ...


class BacklogWatch:
    """Looks for waiting jobs; to be called every `LOOK_EVERY_S`, and when `wanted` is set.

    Args:
        ledger: Knows the backlog.
        own_kinds: The kinds that this worker serves.
        known_kinds: The kinds that it knows. The leader looks for all of them.
        queue_ahead: Most messages of a kind in Redis. `wanted` is set when half of them may be used up.
        leads: Returns whether this worker is the leader.
        is_notified: Returns whether notifications of the database arrive.
        on_backlog: Called with the kinds of which jobs wait.
    """

    def __init__(
        self,
        ledger: BacklogQuery,
        own_kinds: Sequence[str],
        known_kinds: Sequence[str],
        *,
        queue_ahead: int,
        leads: Callable[[], bool],
        is_notified: Callable[[], bool],
        on_backlog: Callable[[Sequence[str]], None],
    ) -> None:
        self._ledger = ledger
        self._own_kinds = tuple(own_kinds)
        self._known_kinds = tuple(known_kinds)
        self._queue_ahead = queue_ahead
        self._leads = leads
        self._is_notified = is_notified
        self._on_backlog = on_backlog
        self._wanted = threading.Event()
        self._num_taken = 0
        self._has_taken = False
        self._looks_at = 0.0

    @property
    def wanted(self) -> threading.Event:
        """Set when `look` should be called at once."""
        return self._wanted

    def message_taken(self) -> None:
        """Note that a message was taken; sets `wanted` once half of the messages may be used up."""
        # Counted without a lock: an inexact number does no harm.
        self._has_taken = True
        self._num_taken += 1
        if self._num_taken >= self._queue_ahead // 2:
            self._num_taken = 0
            self._wanted.set()

    def look(self) -> None:
        """Look for waiting jobs, if this worker has a reason to."""
        is_wanted = self._wanted.is_set() or self._has_taken
        self._wanted.clear()
        self._has_taken = False
        if self._leads() and (is_wanted or time.monotonic() >= self._looks_at):
            found = self._look(self._known_kinds)
            # While jobs wait, there may be room for them at any moment.
            pause_s = NOTIFIED_LOOK_S if self._is_notified() and not found else 0.0
            self._looks_at = time.monotonic() + pause_s
        elif is_wanted:
            self._look(self._own_kinds)

    def look_now(self) -> None:
        """Look for jobs of the worker's own kinds: it has just given some back."""
        self._look(self._own_kinds)

    def _look(self, kinds: Sequence[str]) -> bool:
        try:
            found = self._ledger.kinds_with_backlog(kinds)
            if found:
                self._on_backlog(found)
        except ServiceUnreachable:
            # Not lost: the next look of this worker finds it. The heartbeat logs the reason.
            self._has_taken = True
            return True
        return bool(found)
