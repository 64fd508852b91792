"""The whole stack, started once for all integration tests, with the real worker and the pocket models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.clients import BY_HTTP, DIRECT, FAKES, Stand, standing
from tests.gateways import gateway, settings_at
from tests.integration.embedded import Up
from tests.receivers import Receiver


@pytest.fixture(scope="session")
def running_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running `brushwork up`; its jobs may be those of other tests too."""
    with Up(tmp_path_factory.mktemp("stack") / "data", "--port", "0") as up:
        yield up.ready()


@pytest.fixture(scope="session")
def stack(running_up: Up) -> Settings:
    """The addresses of a running `brushwork up`."""
    return running_up.settings()


# HTTP hides the database; what is fake has none.
STANDS = [
    *((way, database) for way in DIRECT for database in ("sqlite", "postgresql")),
    *((way, "sqlite") for way in BY_HTTP),
    *((way, "") for way in FAKES),
]


@pytest.fixture(params=STANDS, ids=lambda param: "-".join(filter(None, param)))
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """Every client with whoever does the work; the mark `servers` says why a test is none for fakes."""
    way, database = request.param
    if not database:
        if mark := request.node.get_closest_marker("servers"):
            pytest.skip(f"{way}: {mark.args[0]}")
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
