"""Takeover: a new worker, or its supervisor, releases the jobs of workers that died on this machine."""

import logging
import time

from brushwork_schemas.errors import InvalidRequest, ServiceUnreachable
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.worker import SeenWorker

from brushwork_core.database.database import Database
from brushwork_core.fleet.process_liveness import here
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger, Reaped
from brushwork_core.settings.settings import Settings

LOGGER = logging.getLogger(__name__)
# A live worker has a heartbeat within this many intervals.
MISSED_HEARTBEATS = 3
LOOK_S = 0.1


def take_over_from_dead(settings: Settings, name: str | None = None) -> Reaped:
    """Take back the jobs of workers of this machine whose process has ended.

    If the database does not answer or has no tables yet, nothing is taken back.

    Args:
        settings: Address of the database, and the times of leases and heartbeats.
        name: Name of a new worker, as returned by `full_name`. An earlier worker of this name without a
            heartbeat is dead, wherever it ran. It may have run in this container before a restart, where its
            process cannot be checked.

    Raises:
        InvalidRequest: A worker of this name is running. Two workers of one name would take each other's
            jobs.
    """
    database = Database(settings.database_url.get_secret_value(), f"worker {name}" if name else "up")
    try:
        worker_registry = WorkerRegistry(database)
        dead = {
            *worker_registry.dead_here(),
            *(_predecessors(worker_registry, name, settings) if name else ()),
        }
        reaped = Ledger(database, lease_s=settings.lease_s).reap(dead) if dead else Reaped()
        for worker in dead:
            worker_registry.leave(worker)
    except ServiceUnreachable as error:
        LOGGER.info("No jobs are taken over, because the database is not available: %s", error)
        return Reaped()
    finally:
        database.close()
    return reaped


def _predecessors(worker_registry: WorkerRegistry, name: str, settings: Settings) -> list[str]:
    """Dead workers that had this name. A worker elsewhere is dead if it has no heartbeat while this waits."""
    silences_s: dict[str, float] = {}
    while True:
        dead_here, named = worker_registry.dead_here(), worker_registry.named(name)
        unknown = [seen for seen in named if seen.name not in dead_here and _is_fresh(seen, settings)]
        for seen in unknown:
            if seen.host == here() or seen.silent_s < silences_s.get(seen.name, 0.0):
                raise InvalidRequest(
                    said(
                        "A worker named {name} is running: process {pid}, last heartbeat "
                        "{silent_s:.1f} s ago.",
                        name=name,
                        pid=seen.pid,
                        silent_s=seen.silent_s,
                    ),
                    field="name",
                    hint="Give each worker a different --name, or none.",
                )
            silences_s[seen.name] = seen.silent_s
        if not unknown:
            return [seen.name for seen in named]
        time.sleep(LOOK_S)


def _is_fresh(seen: SeenWorker, settings: Settings) -> bool:
    """Whether a worker may be alive, by its last heartbeat; on this machine, it may be late by a lease."""
    silence_s = MISSED_HEARTBEATS * settings.heartbeat_s
    return seen.silent_s < (settings.lease_s if seen.host == here() else min(silence_s, settings.lease_s))
