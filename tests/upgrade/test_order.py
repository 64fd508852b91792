"""Whole deployments of three versions are upgraded in the documented order under load, and two go back.

It takes minutes for each, so `make thorough` runs it; `python -m tests.upgrade` prints the figures of one.
"""

from pathlib import Path

import pytest
from brushwork_core.settings.settings import Settings

from tests.servers import RedisServer
from tests.upgrade.order import Deployment
from tests.upgrade.versions import PAIRS, environments, expect_here

EMPTY = "upgraded"


@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_caller_loses_a_job(
    redis_server: RedisServer,
    redis_url: str,
    name: str,
    database: str,
    thorough: bool,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    if not thorough:
        pytest.skip("takes minutes: `make thorough` runs it")
    pair = PAIRS[name]
    expect_here(pair.revision)
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    if database == "postgresql":
        server = request.getfixturevalue("postgres_server")
        server.execute(f"DROP DATABASE IF EXISTS {EMPTY}")
        server.execute(f"CREATE DATABASE {EMPTY}")
        url = server.url(EMPTY)
    settings = Settings(redis_url=redis_url, database_url=url, artifacts_url=str(tmp_path / "artifacts"))  # type: ignore[arg-type]
    before, after = environments(tmp_path, pair.revision)
    outcome = Deployment(before, after, settings, tmp_path, 1.0).run(goes_back=pair.goes_back)
    assert outcome.faults == []
    # An older program that does not fit ends before it does anything.
    assert outcome.refused is None or outcome.refused > 0
