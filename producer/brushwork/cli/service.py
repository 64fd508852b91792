"""What the workers' side offers to the command line, which never imports it."""

from importlib.metadata import entry_points
from typing import Any

from brushwork_schemas.errors import MissingExtra

# Named in pyproject.toml.
SERVICES = "brushwork.service"


def service(name: str) -> Any:
    """The service of that name.

    Raises:
        MissingExtra: The extra `workers` is not installed.
    """
    try:
        return next(iter(entry_points(group=SERVICES, name=name))).load()
    except (ImportError, StopIteration) as error:
        reason = f": {error}" if isinstance(error, ImportError) else ""
        raise MissingExtra(
            f"The {name} service can't be loaded{reason}.", hint="Run: pip install 'brushwork[workers]'"
        ) from error
