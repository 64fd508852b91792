"""From each version's tables to today's, with jobs in them, and back."""

from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.fleet.job_signals import JobSignals
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.options import Priority
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import inspect, text

from tests.jobs import KIND, claimed, column, new_job
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
        assert today.keys() - shape(database).keys() == {"celery_tasks", "celery_chained"}
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
    ledger.submit([new_job("sent"), new_job("running")])
    ledger.submit([new_job("waits")], sent=())
    claimed(ledger, "running")
    try:
        downgrade(database, "0003")
    finally:
        database.migrate()
    job = index.get("waits")
    assert (job.priority, job.tenant, job.deadline_at, job.last_error) == (Priority.NORMAL, "", None, None)
    assert column(database, "waits", "rank") == column(database, "waits", "queued_at")
    assert column(database, "running", "is_performing")
    assert [found.job_id for found in ledger.dispatch(KIND, 9)] == ["waits"]
    assert ledger.num_dispatched(KIND) == 2
    assert ledger.reap(["w"]).queued == ("running",)


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
