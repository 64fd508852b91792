"""What many tests need: databases that are new for each test, and servers that live as long as the run."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex

from tests.servers import PostgresServer, RedisServer, postgres_programs

# Tiny models run faster in one thread, and two processes on two cores do not wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Its assertions are to show their values as those of a test do.
pytest.register_assert_rewrite("tests.bad_receivers")

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings of the machine it runs on."""
    for name in os.environ:
        if name.startswith(("BRUSHWORK_", "CELERY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BRUSHWORK_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    with redis_server.connect() as connection:
        connection.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """PostgreSQL with a migrated database named `ledger`; where it is missing, skip, in CI fail."""
    programs = postgres_programs()
    if programs is None:
        message = "there is no PostgreSQL server here (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    server = PostgresServer(programs)
    try:
        server.start()
        server.execute("CREATE DATABASE ledger")
        _migrate(server.url("ledger"))
        yield server
    finally:
        server.stop()


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """A migrated SQLite file of this test's own."""
    file = tmp_path / "ledger.sqlite3"
    shutil.copy(migrated_file, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """A migrated PostgreSQL database that is empty and nobody else's."""
    postgres_server.empty("ledger")
    return postgres_server.url("ledger")


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of either sort."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """A ledger whose leases outlast any test."""
    return Ledger(database, lease_s=600)


@pytest.fixture
def index(database: Database) -> JobIndex:
    return JobIndex(database)


def _migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()
