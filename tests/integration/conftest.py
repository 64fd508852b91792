"""The whole stack, started once for all integration tests, with the real worker and the pocket models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork import Client
from brushwork_schemas.settings import Settings

from tests.clients import Blocking
from tests.integration.embedded import Up


@pytest.fixture(scope="session")
def running_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running `brushwork up`; its jobs may be those of other tests too."""
    with Up(tmp_path_factory.mktemp("stack") / "data") as up:
        yield up.ready()


@pytest.fixture(scope="session")
def stack(running_up: Up) -> Settings:
    """The addresses of a running `brushwork up`."""
    return running_up.settings()


@pytest.fixture(params=[Client, Blocking], ids=["Client", "AsyncClient"])
def make(request: pytest.FixtureRequest) -> Any:
    """Either client's class."""
    return request.param


@pytest.fixture
def settings(redis_url: str, database_url: str, tmp_path: Path) -> Settings:
    artifacts = str(tmp_path / "artifacts")
    return Settings(redis_url=redis_url, database_url=database_url, artifacts_url=artifacts)  # type: ignore[arg-type]


@pytest.fixture
def client(make: Any, settings: Settings) -> Iterator[Any]:
    with make(settings=settings) as opened:
        yield opened
