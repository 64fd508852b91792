"""Every move of every job, written down by the database itself: no code of ours can hide from a trigger."""

from collections.abc import Sequence
from dataclasses import dataclass

from brushwork_core.database.database import Database
from sqlalchemy import text

RESULT = "result"
_COLUMNS = "at_ms, job_id, state, fence, attempt, worker"
_TABLE = (
    "CREATE TABLE chaos_history (seq {key}, at_ms BIGINT, job_id VARCHAR(64), state VARCHAR(16), "
    "fence BIGINT, attempt INTEGER, worker VARCHAR(200))"
)
_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_NOTE_JOB = (
    "INSERT INTO chaos_history (" + _COLUMNS + ") "
    "VALUES ({now}, NEW.id, NEW.state, NEW.fence, NEW.attempt, NEW.worker)"
)
_NOTE_RESULT = (
    "INSERT INTO chaos_history (" + _COLUMNS + ") "
    "VALUES ({now}, NEW.job_id, '" + RESULT + "', NEW.fence, NULL, NULL)"
)
_SQLITE = (
    _TABLE.format(key="INTEGER PRIMARY KEY AUTOINCREMENT"),
    f"CREATE TRIGGER chaos_new AFTER INSERT ON jobs BEGIN {_NOTE_JOB.format(now=_SQLITE_NOW)}; END",
    "CREATE TRIGGER chaos_move AFTER UPDATE ON jobs WHEN OLD.state <> NEW.state OR OLD.fence <> NEW.fence "
    f"BEGIN {_NOTE_JOB.format(now=_SQLITE_NOW)}; END",
    f"CREATE TRIGGER chaos_result AFTER INSERT ON results BEGIN {_NOTE_RESULT.format(now=_SQLITE_NOW)}; END",
)
_POSTGRES_NOW = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
_FUNCTION = (
    "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
)
_POSTGRES = (
    _TABLE.format(key="BIGSERIAL PRIMARY KEY"),
    _FUNCTION.format(name="chaos_job", body=_NOTE_JOB.format(now=_POSTGRES_NOW)),
    _FUNCTION.format(name="chaos_stored", body=_NOTE_RESULT.format(now=_POSTGRES_NOW)),
    "CREATE TRIGGER chaos_new AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION chaos_job()",
    "CREATE TRIGGER chaos_move AFTER UPDATE ON jobs FOR EACH ROW "
    "WHEN (OLD.state <> NEW.state OR OLD.fence <> NEW.fence) EXECUTE FUNCTION chaos_job()",
    "CREATE TRIGGER chaos_result AFTER INSERT ON results FOR EACH ROW EXECUTE FUNCTION chaos_stored()",
)


@dataclass(frozen=True)
class Move:
    """A job came into `state`; or, where that is `RESULT`, a result of it was written."""

    at_ms: int
    job_id: str
    state: str
    fence: int
    attempt: int | None
    worker: str | None


def install(database: Database) -> None:
    """Begin to write the history of a migrated database."""
    statements = _SQLITE if database.engine.dialect.name == "sqlite" else _POSTGRES
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def moves(database: Database) -> Sequence[Move]:
    """All moves, in their order."""
    with database.reading() as connection:
        rows = connection.execute(text(f"SELECT {_COLUMNS} FROM chaos_history ORDER BY seq"))  # noqa: S608
        return [Move(*row) for row in rows]
