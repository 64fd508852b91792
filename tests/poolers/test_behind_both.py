"""The quick form of `python -m tests.poolers`: workers behind PgBouncer and Sentinel, and two faults."""

from pathlib import Path

from tests.poolers import sentinel
from tests.poolers.conftest import expect_installed
from tests.poolers.faults import quick
from tests.poolers.pgbouncer import PgBouncer
from tests.poolers.site import Sites
from tests.servers import PostgresServer

QUICK_GROUP = {"replicas": 1, "sentinels": 1, "down_after_ms": 300}
NUM_JOBS = 21


def test_nothing_is_lost_or_done_twice(
    tmp_path: Path, postgres_server: PostgresServer, bouncer: PgBouncer
) -> None:
    expect_installed(sentinel.program(), "redis-sentinel")
    with Sites(tmp_path, postgres_server, bouncer).site("quick", workers=1, **QUICK_GROUP) as site:
        verdict = quick(site)
    assert verdict.violations == []
    assert (verdict.lost, verdict.twice) == (0, 0)
    assert verdict.accepted == NUM_JOBS
