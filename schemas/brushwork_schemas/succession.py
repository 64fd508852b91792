"""What a new worker, or whoever watches over it, does first: free the jobs of those that died here."""

import logging

from brushwork_schemas.database import Database
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.ledger import Ledger, Reaped
from brushwork_schemas.roster import Roster
from brushwork_schemas.settings import Settings

LOGGER = logging.getLogger(__name__)


def take_over_from_dead(settings: Settings, name: str | None = None) -> Reaped:
    """Take back the jobs of workers of this machine whose process has ended.

    Args:
        settings: Where the database is.
        name: That a new worker was given. No two may have one, so whoever had it is dead, wherever it ran:
            in a container that was made anew, say, whose processes nobody can look for.

    A database that is away, or has no tables yet, is left to those who need it more.
    """
    database = Database(settings.database_url.get_secret_value())
    try:
        roster = Roster(database)
        dead = {*roster.dead_here(), *(roster.named(name) if name else ())}
        reaped = Ledger(database, lease_s=settings.lease_s).reap(dead) if dead else Reaped()
        for worker in dead:
            roster.leave(worker)
    except ServiceUnreachable as error:
        LOGGER.info("Nobody's jobs are taken over: %s", error)
        return Reaped()
    finally:
        database.close()
    return reaped
