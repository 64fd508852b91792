"""From each version's tables to today's, with jobs in them, and back."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database import migration
from brushwork_core.database.database import Database
from brushwork_core.database.migration import MIGRATIONS, SchemaVersion, schema_version
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import ServiceMisconfigured, ServiceUnreachable
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import Connection, inspect, text

from tests.jobs import claimed, column, mark_sent, new_job, taken
from tests.older_tables import downgrade, without_additions


def shape(database: Database) -> dict[str, Any]:
    """Tables with the names of their columns, indexes and references."""
    with database.reading() as connection:
        found = inspect(connection)
        return {
            name: (
                {entry["name"] for entry in found.get_columns(name)},
                {entry["name"] for entry in found.get_indexes(name)},
                {entry["name"] for entry in found.get_foreign_keys(name)},
            )
            for name in found.get_table_names()
        }


# SQLAlchemy can't read SQLite's indexes on expressions, and says so.
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0005"])
def test_jobs_survive_the_way_back_and_forth(
    database: Database, ledger: Ledger, index: JobIndex, revision: str
) -> None:
    today = shape(database)
    ledger.submit([new_job("queued"), new_job("running"), new_job("ended")])
    claimed(ledger, "running")
    ledger.cancel("ended")
    try:
        downgrade(database, revision)
        assert shape(database) != today
    finally:
        database.migrate()
    assert shape(database) == today
    states = {name: index.get(name).state for name in ("queued", "running", "ended")}
    assert states == {name: JobState(name.replace("ended", "canceled")) for name in states}
    assert claimed(ledger, "queued").attempt == 1
    assert JobSignals(database).preview("running") is None


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_older_processes_do_not_see_the_version_of_an_addition(
    database: Database, ledger: Ledger, index: JobIndex
) -> None:
    today = shape(database)
    ledger.submit([new_job("queued")])
    try:
        without_additions(database)
        assert today.keys() - shape(database).keys() == {
            *("celery_tasks", "celery_chained", "maintenance_leases", "audit_events"),
            *("picture_credentials", "picture_prints", "reviews"),
            *("schema_additions", "alembic_additions", "schema_requirements"),
        }
    finally:
        database.migrate()
    assert shape(database) == today
    assert index.get("queued").task_id is None
    with database.reading() as connection:
        known = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    assert known == ["0007"]


def test_the_jobs_of_an_older_version_are_ordinary_ones(
    database: Database, ledger: Ledger, index: JobIndex
) -> None:
    ledger.submit([new_job("sent"), new_job("running"), new_job("waits")])
    mark_sent(database, "sent")
    claimed(ledger, "running")
    try:
        downgrade(database, "0003")
    finally:
        database.migrate()
    job = index.get("waits")
    assert (job.priority, job.tenant, job.deadline_at, job.last_error) == (Priority.NORMAL, "", None, None)
    assert column(database, "waits", "rank") == column(database, "waits", "queued_at")
    assert column(database, "running", "is_performing")
    assert ledger.reap(["w"]).queued == ("running",)
    assert taken(ledger, 1) == ["running"]
    assert taken(ledger) == ["waits"]
    assert [claim.job_id for claim in ledger.claim_sent(["sent"], "w")] == ["sent"]


def test_a_worker_of_an_older_version_is_on_the_roster(database: Database) -> None:
    worker_registry = WorkerRegistry(database)
    worker_registry.announce(WorkerEntry("old/1", ("text-to-image",), ("m",), "cpu", ready=True))
    try:
        downgrade(database, "0003")
    finally:
        database.migrate()
    [seen] = worker_registry.workers()
    assert (seen.name, seen.ready, seen.host, seen.pid) == ("old/1", True, "", 0)
    assert worker_registry.dead_here() == []


def test_older_tables_are_named_as_what_is_wrong(database: Database, ledger: Ledger) -> None:
    ledger.submit([new_job("a")])
    try:
        downgrade(database, "0003")
        with pytest.raises(ServiceUnreachable, match=r"older version.*brushwork migrate"):
            ledger.claim("a", "w")
    finally:
        database.migrate()


def test_to_migrate_again_changes_nothing(database: Database, ledger: Ledger) -> None:
    ledger.submit([new_job("a")])
    database.migrate()
    assert ledger.claim("a", "w") is not None


def test_tables_of_a_newer_version_are_not_touched(database: Database) -> None:
    with database.writing() as connection:
        known = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ServiceUnreachable, match="newer version of brushwork"):
        database.migrate()
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": known})


NEXT = """
import sqlalchemy as sa
from alembic import op
revision = "{number}"
down_revision = "{before}"
{declared}
def upgrade():
    op.add_column("workers", sa.Column("c{number}", sa.Integer, nullable=False, server_default="0"))
"""
Newer = Callable[..., None]


@pytest.fixture
def migrated_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sqlite_file: Database) -> Newer:
    """Migrates by a later version, whose further migrations declare these oldest programs; None for none."""

    def migrated_by(*oldest: str | None) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(MIGRATIONS, folder)
        for number, declared in enumerate(oldest, 8):
            words = "" if declared is None else f"oldest_program = {declared!r}"
            script = NEXT.format(number=f"{number:04}", before=f"{number - 1:04}", declared=words)
            (folder / "versions" / f"{number:04}_next.py").write_text(script)
        with monkeypatch.context() as later:
            later.setattr(migration, "MIGRATIONS", folder)
            sqlite_file.migrate()

    return migrated_by


@pytest.fixture
def sqlite_file(sqlite_url: str) -> Any:
    database = Database(sqlite_url)
    yield database
    database.close()


def version_of(database: Database) -> SchemaVersion:
    with database.reading() as connection:
        return schema_version(connection)


@pytest.mark.parametrize(
    ("oldest", "starts"),
    [
        (("0007",), True),
        (("0001",), True),
        (("0007", "0007"), True),
        ((None,), False),
        (("0008",), False),
        # The first of two decides, if it asks for more than the second.
        ((None, "0007"), False),
        (("0007", "0008"), False),
    ],
)
def test_older_programs_start_on_newer_tables_if_these_say_so(
    sqlite_file: Database, migrated_by: Newer, oldest: tuple[str | None, ...], starts: bool
) -> None:
    migrated_by(*oldest)
    newest = f"{7 + len(oldest):04}"
    if starts:
        sqlite_file.migrate()
    else:
        with pytest.raises(ServiceMisconfigured, match="newer version of brushwork"):
            sqlite_file.migrate()
    version = version_of(sqlite_file)
    assert version.found is not None
    assert version.found.partition("+")[0] == newest
    assert (version.fits, version.needs_migration) == (starts, False)
    Ledger(sqlite_file).submit([new_job("a")])
    assert claimed(Ledger(sqlite_file), "a").attempt == 1


def test_additions_of_a_later_version_are_left_as_they_are(sqlite_file: Database) -> None:
    with sqlite_file.writing() as connection:
        connection.execute(text("UPDATE schema_additions SET version_num = '9999'"))
    sqlite_file.migrate()
    version = version_of(sqlite_file)
    assert version.found is not None
    assert version.found.endswith("+9999")
    assert (version.fits, version.needs_migration) == (True, False)


def test_programs_that_know_only_the_first_addition_find_it(sqlite_file: Database) -> None:
    """Such a program starts only if this table has a revision that it knows."""

    def first(connection: Connection) -> str:
        return str(connection.execute(text("SELECT version_num FROM alembic_additions")).scalar_one())

    assert sqlite_file.write(first) == "0001"
    # As such a program leaves a new database.
    with sqlite_file.writing() as connection:
        connection.execute(text("DROP TABLE schema_additions"))
    assert version_of(sqlite_file).found == "0007+0001"
    sqlite_file.migrate()
    assert sqlite_file.write(first) == "0001"
    assert version_of(sqlite_file).found == version_of(sqlite_file).program


def test_no_tables_need_a_migration(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.sqlite3")
    version = version_of(database)
    assert (version.found, version.fits, version.needs_migration) == (None, True, True)
    database.close()
