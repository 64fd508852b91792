"""Services of the worker package, found by entry point, because this package never imports that one."""

from importlib.metadata import entry_points
from typing import Any

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
