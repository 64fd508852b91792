"""What the fork server imports before it forks: all that workers import late, when a model is loaded."""

import pkgutil
from importlib import import_module

from brushwork_workers import families

# Celery and the worker's own modules import these by name.
_WORKER = (
    "alembic.command",
    "brushwork.cli",
    "brushwork_core.database.migration",
    "brushwork_workers.process.consumer",
    "brushwork_workers.process.service",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "kombu.transport.redis",
    "psycopg",
)


def preload() -> None:
    """Import everything, and start no thread: a forked process would not have it."""
    loaders = pkgutil.walk_packages(families.__path__, f"{families.__name__}.")
    for module in [*_WORKER, *(found.name for found in loaders)]:
        import_module(module)
