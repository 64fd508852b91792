"""The whole stack, started once for all integration tests, with the real worker and the pocket models."""

from collections.abc import Iterator

import pytest
from brushwork_schemas.settings import Settings

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
