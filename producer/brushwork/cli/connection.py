"""Connections of the commands to the service."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from brushwork_core.audit.audit_log import AuditAction, AuditLog, Record
from brushwork_core.database.database import Database
from brushwork_core.settings.environment import env_file, variable
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceMisconfigured, ServiceUnreachable
from brushwork_schemas.job import Job
from brushwork_schemas.wording.phrase import said

from brushwork.client import Client


def connect() -> Client:
    """Return a client of the service that the environment or `brushwork.env` names.

    Raises:
        ServiceUnreachable: Neither of them names a service.
    """
    expect_service()
    return Client()


def note_read(jobs: Iterable[Job]) -> None:
    """Record that a person on the command line reads jobs of tenants. A gateway records it itself."""
    ids: dict[str | None, list[str]] = {}
    for job in jobs:
        if job.tenant:
            ids.setdefault(job.tenant, []).append(job.id)
    if ids and not variable("BRUSHWORK_URL"):
        with open_database() as database:
            AuditLog(database).add(*(Record(AuditAction.JOB_READ, own, name) for name, own in ids.items()))


def expect_service(kind: type[ServiceUnreachable] = ServiceUnreachable) -> None:
    """Check that the environment or `brushwork.env` names a service.

    Args:
        kind: Class of the error.

    Raises:
        ServiceUnreachable: Neither of them names a service.
    """
    if not variable("BRUSHWORK_URL"):
        _expect_servers("BRUSHWORK_URL and BRUSHWORK_DATABASE_URL are not set", kind)


@contextmanager
def open_database() -> Iterator[Database]:
    """Open the database of the service, for commands that do not work over HTTP.

    Raises:
        ServiceMisconfigured: Neither the environment nor `brushwork.env` names a database.
    """
    _expect_servers(
        "BRUSHWORK_DATABASE_URL is not set (this command needs the database and does not work over HTTP)",
        ServiceMisconfigured,
    )
    database = Database(Settings.load().database_url.get_secret_value(), "command")
    try:
        yield database
    finally:
        database.close()


def _expect_servers(missing: str, kind: type[ServiceUnreachable] = ServiceUnreachable) -> None:
    file = env_file()
    if variable("BRUSHWORK_DATABASE_URL") is None and not file.is_file():
        raise kind(
            said(
                "No service is configured: {missing}, and {file} does not exist.", missing=missing, file=file
            ),
            hint="Start one with: brushwork up. If it has another data folder, set BRUSHWORK_DATA to it.",
        )
