import os

import pytest

from tests.deployment.compose_file import Service, compose_command, printed_services


@pytest.fixture(scope="session", autouse=True)
def _compose_is_installed() -> None:
    if compose_command() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("docker-compose is not installed")
        pytest.skip("docker-compose is not installed")


@pytest.fixture(scope="session")
def services(_compose_is_installed: None) -> dict[str, Service]:
    """The services of docker-compose.yml with the values of .env.example."""
    return printed_services()
