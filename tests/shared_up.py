"""One running `brushwork up`, with the real worker and the pocket models, for all tests that ask for it."""

from collections.abc import Iterator

import pytest
from brushwork_core.settings.settings import Settings

from tests.integration.embedded import Up
from tests.policy_files import stars


@pytest.fixture(scope="session")
def running_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running `brushwork up`; its jobs may be those of other tests too. Some tenants have policies."""
    folder = tmp_path_factory.mktemp("stack")
    policies = {"BRUSHWORK_POLICIES": str(stars(folder))}
    with Up(folder / "data", "--port", "0", environment=policies) as up:
        yield up.ready()


@pytest.fixture(scope="session")
def stack(running_up: Up) -> Settings:
    """The addresses of a running `brushwork up`."""
    return running_up.settings()


@pytest.fixture(scope="session")
def site(running_up: Up) -> str:
    """The address of its gateway and page."""
    return running_up.addresses()["BRUSHWORK_GATEWAY_URL"]
