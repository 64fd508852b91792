"""What many tests need: databases that are new for each test, and servers that live as long as the run."""

import gc
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex

from tests.s3_server import Bucket, S3Server
from tests.servers import PostgresServer, RedisServer, postgres_programs
from tests.shared_up import running_up, site, stack  # noqa: F401

# Tiny models run faster in one thread, and two processes on two cores do not wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Its assertions are to show their values as those of a test do.
pytest.register_assert_rewrite("tests.bad_receivers")

DATABASES = ("sqlite", "postgresql")


def pytest_configure() -> None:
    """Let the programs under test hear Ctrl-C: a shell starts what it runs in the background without it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The imports of all tests leave little garbage, but many objects to walk through.
    gc.disable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough",
        action="store_true",
        help="every test on both databases, every client in the clients' suite, 16 jobs in every batch",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what uses `database_url` on both databases, unless a mark `one_database` says why one is enough."""
    if "database_url" in metafunc.fixturenames:
        is_one = metafunc.definition.get_closest_marker("one_database") is not None
        databases = DATABASES[:1] if is_one and not is_thorough(metafunc.config) else DATABASES
        metafunc.parametrize("database_url", databases, indirect=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """The files that a process of `pytest -n 2` runs."""
    from tests.scheduling import FileScheduling

    return FileScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the processes of `pytest -n 2` run long files first."""
    if hasattr(config, "workerinput"):
        from tests.scheduling import longest_first

        longest_first(items)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking through all that was imported, again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """At its end, Python collects what was imported; extension modules complain if it can't."""
    gc.unfreeze()


def is_thorough(config: pytest.Config) -> bool:
    """Whether what `make test` leaves out is wanted too."""
    return bool(config.getoption("--thorough"))


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether what `make test` leaves out is wanted too."""
    return is_thorough(pytestconfig)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the settings of the machine it runs on."""
    for name in os.environ:
        if name.startswith(("BRUSHWORK_", "CELERY_", "AWS_")):
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
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket of this test's own; the environment says how to reach it."""
    bucket = s3_server.bucket()
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    return bucket


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


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of either sort: see `pytest_generate_tests`."""
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
