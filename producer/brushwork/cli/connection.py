"""How a command finds the service it talks to."""

from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_core.database.database import Database
from brushwork_core.settings.environment import env_file, variable
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable

from brushwork.client import Client


def connect() -> Client:
    """A client of the service that the environment or `brushwork.env` names.

    Raises:
        ServiceUnreachable: Neither names one.
    """
    expect_service()
    return Client()


def expect_service() -> None:
    """Make sure that the environment or `brushwork.env` names a service.

    Raises:
        ServiceUnreachable: Neither does.
    """
    if not variable("BRUSHWORK_URL"):
        _expect_servers("BRUSHWORK_URL and BRUSHWORK_DATABASE_URL are not set")


@contextmanager
def open_database() -> Iterator[Database]:
    """The service's database, for what is not done by HTTP.

    Raises:
        ServiceUnreachable: Nothing names one.
    """
    _expect_servers("BRUSHWORK_DATABASE_URL is not set (this goes to the database itself, never by HTTP)")
    database = Database(Settings.load().database_url.get_secret_value())
    try:
        yield database
    finally:
        database.close()


def _expect_servers(missing: str) -> None:
    file = env_file()
    if variable("BRUSHWORK_DATABASE_URL") is None and not file.is_file():
        raise ServiceUnreachable(
            f"No service is known here: {missing}, and there is no {file}.",
            hint="Start one with: brushwork up. If it keeps its data elsewhere, set BRUSHWORK_DATA to there.",
        )
