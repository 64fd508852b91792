"""Takeover: a new worker, or its supervisor, releases the jobs of workers that died on this machine."""

import logging
from collections.abc import Collection

from brushwork_schemas.errors import ServiceUnreachable

from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger, Reaped
from brushwork_core.settings.settings import Settings

LOGGER = logging.getLogger(__name__)


def take_over_from_dead(settings: Settings) -> Reaped:
    """Take back the jobs of workers of this machine whose process has ended.

    If the database does not answer or has no tables yet, nothing is taken back.

    Args:
        settings: Address of the database, and the times of leases and heartbeats.
    """
    database = Database(settings.database_url.get_secret_value(), "up")
    try:
        return reap(database, WorkerRegistry(database).dead_here(), lease_s=settings.lease_s)
    except ServiceUnreachable as error:
        LOGGER.info("No jobs are taken over, because the database is not available: %s", error)
        return Reaped()
    finally:
        database.close()


def reap(database: Database, dead: Collection[str], *, lease_s: float) -> Reaped:
    """Take back the jobs of dead workers, and remove the workers from the registry.

    Raises:
        ServiceUnreachable: The database does not answer.
    """
    reaped = Ledger(database, lease_s=lease_s).reap(set(dead)) if dead else Reaped()
    for worker in dead:
        WorkerRegistry(database).leave(worker)
    return reaped
