"""The name of a worker: one process has it at a time, from before its models are loaded until it ends."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.worker import SeenWorker, WorkerEntry

from brushwork_core.database.database import Database
from brushwork_core.fleet.process_liveness import here, is_gone, started_at
from brushwork_core.fleet.takeover import reap
from brushwork_core.fleet.worker_registry import WorkerRegistry, name_in_use
from brushwork_core.ledger import Reaped
from brushwork_core.settings.groups import LeaseSettings
from brushwork_core.settings.settings import Settings

LOGGER = logging.getLogger(__name__)
# A live worker has a heartbeat within this many intervals.
MISSED_HEARTBEATS = 3
LOOK_S = 0.1


class NameReservation:
    """A worker's entry in the registry, kept alive by a thread until the worker sends heartbeats itself.

    Args:
        settings: Address of the database, and the times of leases and heartbeats.
        entry: The entry; its name is unique to this process.
    """

    def __init__(self, settings: Settings, entry: WorkerEntry) -> None:
        self.entry = entry
        self.reaped = Reaped()
        self._settings = settings
        worker = entry.name.rpartition("/")[0]
        self._database = Database(settings.database_url.get_secret_value(), f"worker {worker}")
        self._registry = WorkerRegistry(self._database)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="name-reservation", daemon=True)

    @classmethod
    def made(cls, settings: Settings, name: str, kinds: Sequence[str] = ()) -> "NameReservation":
        """Reserve a name, and take over the jobs of dead workers: of this machine, and of this name anywhere.

        An earlier worker of this name without a heartbeat is dead, wherever it ran. It may have run in this
        container before a restart, where its process cannot be checked.

        Args:
            settings: Address of the database, and the times of leases and heartbeats.
            name: Name of the worker, as returned by `full_name`.
            kinds: Kinds that it will serve.

        Raises:
            ServiceUnreachable: The database does not answer.
            WorkerNameInUse: A worker of this name is running.
        """
        pid = os.getpid()
        entry = WorkerEntry(
            f"{name}/{pid}-{secrets.token_hex(4)}", tuple(kinds), (), "", host=here(), pid=pid
        )
        made = cls(settings, replace(entry, pid_started_at=started_at(pid) or 0.0))
        try:
            made._reserve(name)
        except BaseException:
            made._database.close()
            raise
        made._thread.start()
        return made

    def end(self, *, leave: bool) -> None:
        """Stop the thread.

        Args:
            leave: Whether the name is given back. Otherwise the worker sends its own heartbeats from now on.
        """
        if self._is_over.is_set():
            return
        self._is_over.set()
        self._thread.join()
        try:
            if leave:
                self._registry.leave(self.entry.name)
        except BrushworkError as error:
            LOGGER.warning("This worker's entry stays in the registry for now: %s", error)
        finally:
            self._database.close()

    def _reserve(self, name: str) -> None:
        predecessors = _predecessors(self._registry, name, self._settings.lease)
        # In one transaction: of several processes that start at once, one finds nobody.
        self._registry.reserve(self.entry, may_live=still_has_name(self._settings.lease))
        dead = {*self._registry.dead_here(), *predecessors} - {self.entry.name}
        self.reaped = reap(self._database, dead, lease_s=self._settings.lease_s)

    def _keep(self) -> None:
        while not self._is_over.wait(self._settings.heartbeat_s):
            try:
                self._registry.renew(self.entry)
            except BrushworkError as error:
                LOGGER.warning("name-reservation: %s", error)


def still_has_name(settings: LeaseSettings) -> Callable[[SeenWorker], bool]:
    """Return a function that says whether a worker may be alive, and so keeps its name.

    On this machine, a process that has not ended may be late by a lease.
    """
    return lambda seen: not is_gone(seen.host, seen.pid, seen.pid_started_at) and _is_fresh(seen, settings)


def _predecessors(worker_registry: WorkerRegistry, name: str, settings: LeaseSettings) -> list[str]:
    """Dead workers that had this name. A worker elsewhere is dead if it has no heartbeat while this waits."""
    silences_s: dict[str, float] = {}
    while True:
        dead_here, named = worker_registry.dead_here(), worker_registry.named(name)
        unknown = [seen for seen in named if seen.name not in dead_here and _is_fresh(seen, settings)]
        for seen in unknown:
            if seen.host == here() or seen.silent_s < silences_s.get(seen.name, 0.0):
                raise name_in_use(seen)
            silences_s[seen.name] = seen.silent_s
        if not unknown:
            return [seen.name for seen in named]
        time.sleep(LOOK_S)


def _is_fresh(seen: SeenWorker, settings: LeaseSettings) -> bool:
    """Whether a worker may be alive, by its last heartbeat; on this machine, it may be late by a lease."""
    # An idle worker sends fewer heartbeats, and says so with each of them.
    silence_s = MISSED_HEARTBEATS * (seen.beat_s or settings.heartbeat_s)
    return seen.silent_s < (settings.lease_s if seen.host == here() else min(silence_s, settings.lease_s))
