"""The heartbeat of a worker: leases while jobs run, its entry in the registry, and what the reply tells."""

import time
from collections.abc import Callable, Collection

from brushwork_core.fleet.worker_registry import BeatReply, WorkerRegistry
from brushwork_core.settings.groups import LeaseSettings
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.worker import WorkerEntry

from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.service_health import WatchedService
from brushwork_workers.supervision.heartbeat import Heartbeat

# An idle worker beats so many times less often, but at least so often within a lease that others do not
# take it for dead: for them, a heartbeat that is older than half a lease proves nothing.
IDLE_INTERVALS = 2.5
IDLE_SHARE = 5 / 12


def idle_interval_s(settings: LeaseSettings) -> float:
    """Return the seconds between two heartbeats of an idle worker: 5 by default."""
    shortest_s, longest_s = settings.heartbeat_s, IDLE_SHARE * settings.lease_s
    return max(shortest_s, min(IDLE_INTERVALS * settings.heartbeat_s, longest_s))


class WorkerBeat:
    """Beats when it is time to; to be called every `tick_s`.

    Args:
        heartbeat: Renews leases.
        worker_registry: Holds the entry of the worker.
        entry: Returns the entry as it is now.
        settings: Lengths of lease and heartbeat.
        lease: Name of the maintenance lease.
        is_running: Returns whether an attempt runs.
        stalled: Returns the attempts that are hung, whose leases are not renewed.
        database: Is told whether the database has answered.
        on_reply: Called with the reply of the registry.
        on_answer: Called with the seconds that the database took to answer; infinite for no answer.
        on_removed: Called with the entry if the registry has removed it.
    """

    def __init__(
        self,
        heartbeat: Heartbeat,
        worker_registry: WorkerRegistry,
        entry: Callable[[], WorkerEntry],
        settings: LeaseSettings,
        *,
        lease: str,
        is_running: Callable[[], bool],
        stalled: Callable[[], Collection[Attempt]],
        database: WatchedService,
        on_reply: Callable[[BeatReply], None],
        on_answer: Callable[[float], None],
        on_removed: Callable[[WorkerEntry], None],
    ) -> None:
        self._heartbeat = heartbeat
        self._worker_registry = worker_registry
        self._entry = entry
        self._busy_s, self._idle_s = settings.heartbeat_s, idle_interval_s(settings)
        self._lease = lease
        self._is_running = is_running
        self._stalled = stalled
        self._database = database
        self._on_reply = on_reply
        self._on_answer = on_answer
        self._on_removed = on_removed
        # The ledger may count a job as running that no thread runs: the answer to its claim was lost.
        self._has_leases = True
        self._last_at = float("-inf")

    @property
    def tick_s(self) -> float:
        """Seconds between two calls of `beat_if_due`."""
        return self._busy_s / 2

    def beat_if_due(self) -> None:
        """Send a heartbeat, unless the last one is recent enough.

        Raises:
            ServiceUnreachable: The database does not answer. The next call tries again.
        """
        interval_s = self._busy_s if self._is_busy else self._idle_s
        if time.monotonic() + self.tick_s / 2 >= self._last_at + interval_s:
            self.beat()

    def beat(self) -> None:
        """Send a heartbeat now.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        began = time.monotonic()
        try:
            if self._is_busy:
                self._heartbeat.beat(self._stalled())
            entry = self._entry()
            # The interval until the next heartbeat. If a job starts meanwhile, that one comes earlier.
            next_s = self._busy_s if self._is_busy else self._idle_s
            reply = self._worker_registry.beat(entry, next_s=next_s, lease=self._lease)
        except ServiceUnreachable as error:
            self._database.check_failed(error)
            self._on_answer(float("inf"))
            raise
        self._database.check_answered()
        self._on_answer(time.monotonic() - began)
        self._last_at = began
        if reply is None:
            self._on_removed(entry)
            return
        self._has_leases = reply.num_leased > 0
        self._on_reply(reply)

    @property
    def _is_busy(self) -> bool:
        return self._has_leases or self._is_running()
