"""Check the sessions of PostgreSQL: whether a pooler is in between, its limits, and notifications."""

from collections.abc import Iterator
from contextlib import closing

from brushwork_core.database.database import Database
from brushwork_core.database.listening import TEST_S, Listener
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import BrushworkError
from sqlalchemy import text

from brushwork.doctor.finding import Finding, fail, ok, warn

ABOUT = "database"
CHANNEL = "brushwork_doctor"
LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout")


def check_sessions(database: Database, settings: Settings) -> Iterator[Finding]:
    """Check how PostgreSQL is reached. Other databases and drivers have no sessions to check."""
    with database.reading() as connection:
        # The driver of SQLite, and other drivers of PostgreSQL, have no such attribute.
        is_pooled = getattr(connection.connection.driver_connection, "is_pooled", None)
        if is_pooled is None:
            return
        shown = [str(connection.execute(text(f"SHOW {name}")).scalar()) for name in LIMITS]
    yield _limits(is_pooled, dict(zip(LIMITS, shown, strict=True)))
    yield _notifications(database, settings)


def _limits(is_pooled: bool, limits: dict[str, str]) -> Finding:
    way = (
        "A pooler such as PgBouncer is between this program and PostgreSQL: the server process that answers "
        "is not the one that was announced. Each transaction sets its own limits"
        if is_pooled
        else "PostgreSQL is reached without a pooler. Each connection sets its limits"
    )
    message = f"{way}: {', '.join(f'{name} {value}' for name, value in limits.items())}."
    if "0" in limits.values():
        return fail(
            ABOUT,
            message,
            "0 is no limit: remove tcp_user_timeout=0 from BRUSHWORK_DATABASE_URL. If it is not there, the "
            "driver psycopg or the pooler has changed: please report it.",
        )
    return ok(ABOUT, message)


def _notifications(database: Database, settings: Settings) -> Finding:
    url = (settings.database_listen_url or settings.database_url).get_secret_value()
    hint = (
        "Set BRUSHWORK_DATABASE_LISTEN_URL to the address of the same database without a pooler. Until then, "
        "processes ask the database regularly."
    )
    try:
        with closing(Listener(url, CHANNEL, "doctor")) as listener:
            if listener.hears(database, CHANNEL, TEST_S):
                return ok(ABOUT, "Notifications of the database arrive.")
    except BrushworkError as error:
        return warn(ABOUT, f"Notifications of the database do not arrive: {error.message}", hint)
    return warn(ABOUT, "Notifications of the database do not arrive at the address for listening.", hint)
