"""PgBouncer and Sentinel for the tests; where one is not installed, they are left out, and fail in CI."""

import os
from collections.abc import Iterator

import pytest

from tests.poolers import pgbouncer
from tests.poolers.pgbouncer import PgBouncer
from tests.servers import PostgresServer

SESSIONS = 2


@pytest.fixture(scope="session")
def bouncer(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """PgBouncer in front of `postgres_server`, with two sessions for all its clients."""
    expect_installed(pgbouncer.program(), "pgbouncer")
    server = PgBouncer(postgres_server.url("ledger"), sessions=SESSIONS)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def pooled_url(bouncer: PgBouncer, postgres_url: str) -> str:
    """A migrated PostgreSQL database that is empty, through the pooler."""
    return bouncer.url(postgres_url)


def expect_installed(program: object, package: str) -> None:
    """Skip the test if a program is not installed; in CI, fail it."""
    if program is None:
        message = f"there is no {package} here (Debian: apt-get install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
