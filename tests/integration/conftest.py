"""The fixtures of the integration tests: clients, gateways and receivers of webhooks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.clients import BY_HTTP, DIRECT, FAKES, Stand, standing
from tests.conftest import is_thorough
from tests.gateways import gateway, settings_at
from tests.receivers import Receiver
from tests.shared_worker import every_model, served  # noqa: F401


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The clients that a test of their suite is for: each way to the service, by threads and by tasks.

    The mark `inputs` says that what a test tries is decided before the ways of threads and tasks part, and
    `both_databases` that the direct way meets different statements on PostgreSQL.
    """
    if "stand" not in metafunc.fixturenames:
        return
    marked, thorough = metafunc.definition.get_closest_marker, is_thorough(metafunc.config)
    is_of_inputs = marked("inputs") is not None and not thorough
    ways = [way for way in (*DIRECT, *BY_HTTP, *FAKES) if not (is_of_inputs and "Async" in way)]
    if marked("servers"):
        ways = [way for way in ways if way not in FAKES]
    stands = [(way, "" if way in FAKES else "sqlite") for way in ways]
    if thorough or marked("both_databases"):
        # HTTP hides the database, and awaiting changes no statement.
        stands += [(way, "postgresql") for way in (DIRECT if thorough else DIRECT[:1])]
    names = ["-".join(filter(None, stand)) for stand in stands]
    metafunc.parametrize("stand", stands, ids=names, indirect=True)


@pytest.fixture
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """A client with whoever does the work: see `pytest_generate_tests`."""
    way, database = request.param
    if not database:
        with standing(way, None) as fake:
            yield fake
        return
    url = request.getfixturevalue({"sqlite": "sqlite_url", "postgresql": "postgres_url"}[database])
    redis_url, artifacts = request.getfixturevalue("redis_url"), str(tmp_path / "artifacts")
    settings = Settings(redis_url=redis_url, database_url=url, artifacts_url=artifacts)
    with standing(way, settings) as real:
        yield real


@pytest.fixture
def client(stand: Stand) -> Any:
    """The stand's client."""
    return stand.client


@pytest.fixture
def settings(redis_url: str, database_url: str, tmp_path: Path) -> Settings:
    artifacts = str(tmp_path / "artifacts")
    return Settings(redis_url=redis_url, database_url=database_url, artifacts_url=artifacts)  # type: ignore[arg-type]


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    """A gateway in this process."""
    with gateway(settings) as client:
        yield client


@pytest.fixture
def door(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    """For what is refused at the door: of one database, and without Redis."""
    with gateway(settings_at(sqlite_url, tmp_path)) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)
