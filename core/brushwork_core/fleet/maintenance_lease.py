"""The maintenance lease: one worker recovers lost jobs and finds waiting work for all workers of a ledger.

Workers that know different kinds of job, because of their plug-ins, have a leader for each set of kinds.
Only the effort depends on the lease. Every action of the leader is safe if several workers do it at once, as
workers of older versions do. So a leader that was frozen does no harm when it wakes up.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterable
from hashlib import sha256

from sqlalchemy import delete, or_, update

from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import MAINTENANCE_LEASES
from brushwork_core.database.upsert import insert_or_ignore

LOGGER = logging.getLogger(__name__)


def lease_name(kinds: Iterable[str]) -> str:
    """Return the name of the lease of all workers that know these kinds."""
    return f"kinds {sha256(','.join(sorted(kinds)).encode()).hexdigest()[:16]}"


class MaintenanceLease:
    """One process's part in the lease. Safe to use from any thread.

    Args:
        database: Database of the ledger.
        name: Name of the lease.
        holder: Name of this worker in the registry.
        lease_s: Seconds for which the lease is valid. The leader renews it several times as often.
    """

    def __init__(self, database: Database, name: str, holder: str, *, lease_s: float) -> None:
        self._database = database
        self.name = name
        self._holder = holder
        self._lease_s = lease_s
        self._taking = threading.Lock()
        self._until = 0.0
        self._is_given_up = False

    @property
    def is_held(self) -> bool:
        """Whether this worker is the leader, as far as it knows."""
        return time.monotonic() < self._until

    def take(self, dead: Collection[str] = ()) -> bool:
        """Take the lease if nobody has it, or renew it. Returns whether this worker is the leader.

        Args:
            dead: Names of workers whose process is known to have ended. They lose the lease at once.

        Raises:
            ServiceUnreachable: The database does not answer.
        """
        with self._taking:
            # Counted from before the statement, so that this worker never believes longer than the database.
            began, was_held = time.monotonic(), self.is_held
            has_it = not self._is_given_up and self._written(dead)
            self._until = began + self._lease_s if has_it else 0.0
        if has_it and not was_held:
            LOGGER.info("This worker maintains the ledger for all workers")
        elif was_held and not has_it:
            LOGGER.info("Another worker maintains the ledger now")
        return has_it

    def give_up(self) -> None:
        """Let another worker have the lease at once, and never take it again.

        Raises:
            ServiceUnreachable: The database does not answer. The lease expires by itself then.
        """
        with self._taking:
            self._is_given_up, was_held, self._until = True, self.is_held, 0.0
            if was_held:
                lease = MAINTENANCE_LEASES.c
                mine = (lease.name == self.name) & (lease.holder == self._holder)
                with self._database.writing() as connection:
                    connection.execute(delete(MAINTENANCE_LEASES).where(mine))

    def _written(self, dead: Collection[str]) -> bool:
        values = {"holder": self._holder, "expires_at": now_ms() + round(1000 * self._lease_s)}
        lease = MAINTENANCE_LEASES.c
        free = or_(lease.holder.in_([self._holder, *dead]), lease.expires_at <= now_ms())
        with self._database.writing() as connection:
            renewed = update(MAINTENANCE_LEASES).where(lease.name == self.name, free).values(values)
            if connection.execute(renewed).rowcount:
                return True
            new = insert_or_ignore(connection, MAINTENANCE_LEASES).values(name=self.name, **values)
            return connection.execute(new.returning(lease.name)).one_or_none() is not None
