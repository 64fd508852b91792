"""What a new worker, or whoever watches over it, does first: free the jobs of those that died here."""

import logging
import time

from brushwork_schemas.errors import InvalidRequest, ServiceUnreachable
from brushwork_schemas.worker import SeenWorker

from brushwork_core.database.database import Database
from brushwork_core.fleet.process_liveness import here
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger, Reaped
from brushwork_core.settings.settings import Settings

LOGGER = logging.getLogger(__name__)
# Who lives beats within so many times its pause.
BEATS_TO_WAIT = 3
LOOK_S = 0.1


def take_over_from_dead(settings: Settings, name: str | None = None) -> Reaped:
    """Take back the jobs of workers of this machine whose process has ended.

    Args:
        settings: Where the database is.
        name: Of a new worker, as `full_name` gives it. Whoever had it before and does not beat any more is
            dead, wherever it ran: in this container before it was restarted, say, whose processes nobody can
            look for.

    A database that is away, or has no tables yet, is left to those who need it more.

    Raises:
        InvalidRequest: A worker of that name lives: two would take each other's jobs away.
    """
    database = Database(settings.database_url.get_secret_value())
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
        LOGGER.info("Nobody's jobs are taken over: %s", error)
        return Reaped()
    finally:
        database.close()
    return reaped


def _predecessors(worker_registry: WorkerRegistry, name: str, settings: Settings) -> list[str]:
    """The lives of a name, all of them over: of those elsewhere that is known when they beat no more."""
    silences_s: dict[str, float] = {}
    while True:
        dead_here, named = worker_registry.dead_here(), worker_registry.named(name)
        unsure = [seen for seen in named if seen.name not in dead_here and _is_fresh(seen, settings)]
        for seen in unsure:
            if seen.host == here() or seen.silent_s < silences_s.get(seen.name, 0.0):
                raise InvalidRequest(
                    f"A worker named {name} lives: process {seen.pid}, heard of {seen.silent_s:.1f} s ago.",
                    field="name",
                    hint="Give each worker a --name of its own, or none.",
                )
            silences_s[seen.name] = seen.silent_s
        if not unsure:
            return [seen.name for seen in named]
        time.sleep(LOOK_S)


def _is_fresh(seen: SeenWorker, settings: Settings) -> bool:
    """Whether it was heard of so lately that it may live; a process that is there may be late by a lease."""
    beats_s = BEATS_TO_WAIT * settings.heartbeat_s
    return seen.silent_s < (settings.lease_s if seen.host == here() else min(beats_s, settings.lease_s))
