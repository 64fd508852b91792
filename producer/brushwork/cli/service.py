"""What the commands need before they start a service.

The services of the worker package are found by entry point, because this package never imports that one.
"""

from importlib.metadata import entry_points
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.queue.redis_link import expect_access
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import MissingExtra
from brushwork_schemas.wording.phrase import said

# Entry point group in pyproject.toml.
SERVICES = "brushwork.service"


def service(name: str) -> Any:
    """Return the service with this name.

    Raises:
        MissingExtra: The extra `workers` is not installed.
    """
    try:
        return next(iter(entry_points(group=SERVICES, name=name))).load()
    except (ImportError, StopIteration) as error:
        reason = f": {error}" if isinstance(error, ImportError) else ""
        raise MissingExtra(
            said("The {name} service cannot be loaded{reason}.", name=name, reason=reason),
            hint="Run: pip install 'brushwork[workers]'",
        ) from error


def expect_services(settings: Settings) -> None:
    """Migrate the database, and check that Redis accepts this program; without Redis, a service waits.

    Raises:
        ServiceMisconfigured: The database or Redis refuses this program, or the tables are newer.
        ServiceUnreachable: The database does not answer.
    """
    database = Database(settings.database_url.get_secret_value(), "migrate")
    try:
        database.migrate()
    finally:
        database.close()
    expect_access(settings)
