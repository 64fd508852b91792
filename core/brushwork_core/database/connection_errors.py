"""The errors of a database driver as errors of brushwork: the database is away, or its settings are wrong."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from brushwork_schemas.errors import ServiceMisconfigured, ServiceUnreachable
from brushwork_schemas.wording.phrase import private, said
from sqlalchemy.exc import DatabaseError, DBAPIError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# InternalError: after a failover, this connection leads to a read-only server.
_NO_ANSWER = (OperationalError, InternalError)
_NO_TABLES = re.compile(r"no such (table|column)|(relation|column) .* does not exist")
# The database answers and refuses this program: the same settings will be refused again. libpq has no error
# codes for a connection, so the words of PostgreSQL, PgBouncer and SQLite are compared.
_REFUSED = re.compile(
    r"password authentication failed|no password supplied|authentication failed"
    r"|(role|database) \"[^\"]*\" does not exist|no such (user|database)"
    r"|no pg_hba\.conf entry|is not permitted to log in|permission denied"
    r"|server does not support SSL|unable to open database file|file is not a database"
    r"|attempt to write a readonly database",
    re.IGNORECASE,
)

# PgBouncer refuses a connection with an option that it does not know. Newer versions also read `options`.
_UNKNOWN_OPTION = re.compile(r"unsupported startup parameter(?: in options)?: (\w+)")
_NO_SESSION = re.compile(r"query_wait_timeout")
_NO_CLIENT = re.compile(r"no more connections allowed")

_FULL = re.compile(r"database or disk is full|No space left on device|could not extend file", re.IGNORECASE)
_LOCKED = re.compile(r"database (table )?is locked")


@contextmanager
def translated() -> Iterator[None]:
    """Raise the errors of the driver inside the block as errors of brushwork.

    Raises:
        ServiceMisconfigured: The database refuses this program, or has no tables of this version.
        ServiceUnreachable: The database does not answer, or stays locked.
    """
    try:
        yield
    except DBAPIError as error:
        if (known := _known(error)) is None:
            raise
        raise known from error
    except PoolTimeout as error:
        raise ServiceUnreachable(
            "All database connections of this process are in use.", field="database_url"
        ) from error


def locked_for_too_long() -> ServiceUnreachable:
    """Return the error for a write whose time limit is over."""
    return ServiceUnreachable(
        "The database is locked by another process for too long.",
        field="database_url",
        hint="Try again later. The operator ends the process that has the file locked, or uses PostgreSQL.",
    )


def _known(error: DBAPIError) -> ServiceUnreachable | None:
    words = str(error.orig)
    if _NO_TABLES.search(words):
        return ServiceMisconfigured(
            "The database has no tables of brushwork, or tables of an older version.",
            field="database_url",
            hint="Run: brushwork migrate. A worker and `brushwork up` migrate at their start.",
        )
    if (of_pooler := _of_pooler(words)) is not None:
        return of_pooler
    if _REFUSED.search(words):
        return ServiceMisconfigured(
            said("The database refuses this program: {orig}.", orig=private(words.strip().rstrip("."))),
            field="database_url",
            hint="Check user, password, name and file in BRUSHWORK_DATABASE_URL, and the rights of the user.",
        )
    if _FULL.search(words):
        return ServiceUnreachable(
            "The disk of the database is full.",
            field="database_url",
            hint="Try again later. The operator frees space on the disk of the database.",
        )
    if _LOCKED.search(words):
        return locked_for_too_long()
    if isinstance(error, _NO_ANSWER) or type(error) is DatabaseError or error.connection_invalidated:
        return ServiceUnreachable(
            said("The database does not answer: {orig}.", orig=private(words.strip().rstrip("."))),
            field="database_url",
            hint="Check BRUSHWORK_DATABASE_URL, and that the server is running.",
        )
    return None


def _of_pooler(words: str) -> ServiceUnreachable | None:
    """The error where PgBouncer refuses or gives up, with the setting of pgbouncer.ini that changes it."""
    if found := _UNKNOWN_OPTION.search(words):
        return ServiceMisconfigured(
            said("PgBouncer refuses the option {option} of the database address.", option=found[1]),
            field="database_url",
            hint=said(
                "Add this line to pgbouncer.ini, which then drops the option: ignore_startup_parameters = "
                "{option}. Or remove it from BRUSHWORK_DATABASE_URL.",
                option=found[1],
            ),
        )
    if _NO_SESSION.search(words):
        return ServiceUnreachable(
            "All connections of PgBouncer to the database are in use.",
            field="database_url",
            hint="Try again later. The operator sets a larger default_pool_size in pgbouncer.ini.",
        )
    if _NO_CLIENT.search(words):
        return ServiceUnreachable(
            "PgBouncer accepts no more connections.",
            field="database_url",
            hint="Try again later. The operator sets a larger max_client_conn in pgbouncer.ini.",
        )
    return None
