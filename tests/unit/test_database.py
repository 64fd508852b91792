"""The database: addresses that can't be used, migrations, and one clock for both sorts."""

import re
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import METADATA
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import ClaimOrder, Ledger
from brushwork_core.ledger.claim_order import ClaimedFor
from brushwork_schemas.errors import BrushworkError, InvalidRequest, MissingExtra, ServiceUnreachable
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import Connection, event, inspect, select, text

from tests.jobs import KIND, mark_sent, new_job

SECRET = "SECRET"
INDEXES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :name",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE indexname LIKE 'ix_%' AND tablename = :name",
}


@pytest.mark.parametrize(
    ("url", "error", "words"),
    [
        ("nonsense", InvalidRequest, "sqlite:///file or postgresql"),
        (f"postgresql://u:{SECRET}@host:port/x", InvalidRequest, "invalid port"),
        (f"postgresql+psycopg://u:pass:{SECRET}@host:po{SECRET}rt/x", InvalidRequest, "invalid port"),
        (f"nosuch://u:{SECRET}@host/x", InvalidRequest, "nosuch"),
        (f"mysql://u:{SECRET}@host/x", InvalidRequest, "mysql is not supported"),
        (f"postgresql+nosuch://u:{SECRET}@host/x", InvalidRequest, "nosuch"),
        (f"postgresql+pg8000://u:{SECRET}@host/x", MissingExtra, "pip install"),
        ("sqlite:////dev/null/x/ledger", ServiceUnreachable, "BRUSHWORK_DATABASE_URL"),
    ],
)
def test_an_address_that_cannot_be_used(url: str, error: type[BrushworkError], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        Database(url)
    assert raised.value.field == "database_url"
    assert SECRET not in str(raised.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_bytes(b"no database at all " * 100)
    database = Database(f"sqlite:///{tmp_path / 'ledger'}")
    with pytest.raises(ServiceUnreachable, match="not a database"):
        database.migrate()
    database.close()


def test_the_folder_of_a_database_is_made(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/a/b%20c/ledger")
    database.migrate()
    database.close()
    assert (tmp_path / "a").is_dir()


def test_migrations_make_the_tables_that_the_code_knows(database: Database) -> None:
    with database.reading() as connection:
        found = inspect(connection)
        for table in METADATA.sorted_tables:
            columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert columns == {column.name: column.nullable for column in table.columns}
            indexes = connection.execute(text(INDEXES[connection.dialect.name]), {"name": table.name})
            assert set(indexes.scalars()) == {index.name for index in table.indexes}


def test_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger'}"
    databases = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(Database.migrate, databases))
    assert Ledger(databases[0]).submit([new_job("a")]).new == {"a"}
    for database in databases:
        database.close()


def test_a_new_file_that_somebody_has_locked_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    database, locking = Database(f"sqlite:///{file}"), sqlite3.connect(file, isolation_level=None)
    locking.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as threads:
        migrating = threads.submit(database.migrate)
        with pytest.raises(TimeoutError):
            migrating.result(timeout=0.3)
        locking.execute("COMMIT")
        migrating.result(timeout=30)
    locking.close()
    assert Ledger(database).submit([new_job("a")]).new == {"a"}
    database.close()


def test_the_clock_counts_milliseconds(database: Database) -> None:
    with database.reading() as connection:
        first = connection.execute(select(now_ms())).scalar_one()
    assert isinstance(first, int)
    assert 1_700_000_000_000 < first < 4_000_000_000_000


def test_an_exception_takes_back_what_was_written(database: Database) -> None:
    def write_and_fail() -> None:
        with database.writing() as connection:
            connection.execute(text("DELETE FROM jobs"))
            raise KeyError

    Ledger(database).submit([new_job("a")])
    with pytest.raises(KeyError):
        write_and_fail()
    assert Ledger(database).claim("a", "w") is not None


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    ledger = Ledger(database)
    ledger.submit([new_job("a")])
    with database.writing() as connection:
        connection.execute(text("UPDATE jobs SET label = 'other'"))
        with ThreadPoolExecutor(1) as threads:
            label = threads.submit(read_label, database).result(timeout=10)
    assert label == "pocket-diffusion 64x64"


def read_label(database: Database) -> str:
    with database.reading() as connection:
        return str(connection.execute(text("SELECT label FROM jobs")).scalar_one())


def test_a_writer_waits_for_another(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    waiting, release = threading.Event(), threading.Event()

    def attempt() -> None:
        with database.writing():
            waiting.set()
            assert release.wait(timeout=10)

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(attempt)
        assert waiting.wait(timeout=10)
        writing = threads.submit(Ledger(database).submit, [new_job("a")])
        release.set()
        assert writing.result(timeout=10).new == {"a"}
        holding.result(timeout=10)
    database.close()


def test_sqlite_is_durable_and_checks_its_references(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.reading() as connection:
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas]
    database.close()
    assert found == ["wal", 2, 1]


Ask = Callable[[Ledger], object]
# As of a worker that has claimed before.
_ORDER = ClaimOrder([KIND, "image-to-text"])
_ORDER.note([ClaimedFor(KIND, "s", 1)])
ASKED: dict[str, Ask] = {
    "claim": lambda ledger: ledger.claim("a", "w"),
    "renew": lambda ledger: ledger.renew("w"),
    "reap": lambda ledger: ledger.reap(["w"]),
    "expire": lambda ledger: ledger.expire_queued(),
    "submit": lambda ledger: ledger.submit([new_job("b", idempotency_key="key", request_sha256="1")]),
    "claim those that are next": lambda ledger: ledger.claim_next(ClaimOrder([KIND]), "w", 5),
    "claim those of several kinds and tenants": lambda ledger: ledger.claim_next(_ORDER, "w", 5),
    "claim those that were sent": lambda ledger: ledger.claim_sent(["a", "b"], "w"),
    "look for a backlog": lambda ledger: ledger.has_backlog([KIND, "image-to-text"], "w"),
    "look for jobs to wake workers for": lambda ledger: ledger.wake_ups(KIND, 5),
    "forget messages": lambda ledger: ledger.forget_messages(-60),
    "complete": lambda ledger: ledger.complete("a", 1, {}),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_workers_ask_all_the_time_uses_an_index(sqlite_url: str, ask: Ask) -> None:
    for plan in _plans(sqlite_url, ask):
        assert "SEARCH jobs USING " in plan
        assert not re.search("SCAN (?!CONSTANT ROW|chosen|tenants)", plan), plan
        # Those that run are few, and are counted a few times a second.
        assert "TEMP B-TREE FOR ORDER BY" not in plan


PARTIAL = {
    "claim those that are next": "ix_jobs_backlog",
    "claim those of several kinds and tenants": "ix_jobs_backlog",
    "look for a backlog": "ix_jobs_backlog",
    "look for jobs to wake workers for": "ix_jobs_backlog",
    "forget messages": "ix_jobs_dispatched",
}


@pytest.mark.parametrize(("asked", "index"), PARTIAL.items())
def test_neither_ended_jobs_nor_those_of_others_are_read(sqlite_url: str, asked: str, index: str) -> None:
    plans = [plan for plan in _plans(sqlite_url, ASKED[asked]) if "GROUP BY" not in plan]
    assert plans
    for plan in plans:
        assert index in plan or "sqlite_autoindex_jobs_1 (id=?)" in plan


def test_it_is_so_on_postgresql(postgres_url: str) -> None:
    """With so many jobs that its planner has a choice, and whether or not it knows the parameters."""
    database = Database(postgres_url)
    ledger = Ledger(database)
    ledger.submit([new_job(f"many-{number}", tenant=f"t{number % 9}") for number in range(3000)])
    with database.writing() as connection:
        connection.execute(text("UPDATE jobs SET state = 'succeeded' WHERE id LIKE '%0' OR id LIKE '%5'"))
        connection.execute(text("UPDATE jobs SET dispatched_at = 1 WHERE id LIKE '%01'"))
        connection.execute(text("ANALYZE jobs"))
    plans = []
    for asked, index in PARTIAL.items():
        statements = _asked(database, lambda ask=ASKED[asked]: ask(ledger))
        assert statements
        for mode in ("force_custom_plan", "force_generic_plan"):
            with database.writing() as connection:
                connection.exec_driver_sql(f"SET LOCAL plan_cache_mode = {mode}")
                for statement, parameters in statements:
                    rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
                    plans.append((index, "\n".join(row[0] for row in rows)))
    database.close()
    for index, plan in plans:
        assert "Seq Scan on jobs" not in plan, plan
        assert index in plan or "Aggregate" in plan or "jobs_pkey" in plan, plan


def _asked(database: Database, ask: Callable[[], object]) -> list[tuple[str, Any]]:
    """The statements about jobs, and their parameters."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Connection, cursor: object, statement: str, parameters: Any, *rest: object) -> None:
        asked.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    ask()
    event.remove(database.engine, "before_cursor_execute", note)
    return [one for one in asked if " jobs" in one[0] and not one[0].startswith("INSERT")]


def _plans(sqlite_url: str, ask: Ask) -> list[str]:
    """How SQLite finds what it is asked for."""
    database = Database(sqlite_url)
    ledger = Ledger(database)
    ledger.submit([new_job("a", deadline_s=3600, idempotency_key="key", request_sha256="1")])
    ledger.submit([new_job(name, tenant=name) for name in "stu"])
    ledger.submit([new_job(f"other-{name}", tenant=name, kind="image-to-text") for name in "stu"])
    mark_sent(database, "a")
    asked = _asked(database, lambda: ask(ledger))
    database.close()
    raw = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    plans = [
        " ".join(row[-1] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))
        for statement, parameters in asked
    ]
    raw.close()
    assert plans
    return plans


class TestRoster:
    def entry(self, name: str, *, ready: bool = False) -> WorkerEntry:
        return WorkerEntry(name, ("text-to-image",), ("pocket-diffusion",), "cpu", ready)

    def test_workers_come_are_ready_and_leave(self, database: Database) -> None:
        worker_registry = WorkerRegistry(database)
        worker_registry.announce(self.entry("a"))
        worker_registry.announce(self.entry("b"))
        worker_registry.announce(self.entry("a", ready=True))
        assert [(seen.name, seen.ready) for seen in worker_registry.workers()] == [("a", True), ("b", False)]
        assert (worker_registry.workers()[0].kinds, worker_registry.workers()[0].device) == (
            ("text-to-image",),
            "cpu",
        )
        worker_registry.leave("a")
        worker_registry.leave("nobody")
        assert [seen.name for seen in worker_registry.workers()] == ["b"]

    def test_the_silent_are_struck_off(self, database: Database) -> None:
        worker_registry = WorkerRegistry(database)
        worker_registry.announce(self.entry("a"))
        worker_registry.forget(silent_s=60)
        assert 0 <= worker_registry.workers()[0].silent_s < 60
        worker_registry.forget(silent_s=-1)
        assert worker_registry.workers() == []


def test_a_connection_that_is_in_use_at_the_end_is_closed_when_it_is_returned(database_url: str) -> None:
    database = Database(database_url)
    closed: list[object] = []
    event.listen(database.engine, "close", lambda connection, record: closed.append(connection))
    with database.reading() as connection:
        mine = connection.connection.dbapi_connection
        database.close()
        assert mine not in closed
        connection.execute(text("SELECT 1"))
    assert closed[-1] is mine
