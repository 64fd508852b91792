"""Two gateways behind nginx are restarted in turn under raw HTTP callers: the quick form of a command."""

from pathlib import Path

import pytest

from tests.nginx_server import needs_nginx
from tests.rolling_gateways import rolling

pytestmark = pytest.mark.one_database("the gateways are tried, not the database")


def test_a_rolling_restart_loses_and_doubles_nothing(database_url: str, tmp_path: Path) -> None:
    needs_nginx()
    verdict = rolling(tmp_path, database_url, num_jobs=50, rounds=1, per_second=10)
    assert not verdict.lost, str(verdict)
    assert (verdict.doubled, verdict.most_again <= 1) == (0, True), str(verdict)
    # No open connection was cut off: nginx never had to guess whether a gateway has received a request.
    log = (tmp_path / "nginx" / "error.log").read_text()
    assert [line for line in log.splitlines() if "while reading" in line] == []
