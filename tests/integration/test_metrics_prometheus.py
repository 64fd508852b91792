"""A real Prometheus scrapes two gateways, and one load balancer before them: sums are those of the ledger."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from brushwork_core.database.database import Database
from brushwork_core.fleet.process_identity import worker_identity
from brushwork_core.ledger import Ledger
from brushwork_core.queries.ledger_stats import LedgerStats
from brushwork_core.telemetry.process_reports import ProcessReports
from brushwork_core.telemetry.reporter import Reporter
from brushwork_schemas.states import JobState

from tests.gateways import settings_at
from tests.jobs import new_job
from tests.live_gateways import Listening
from tests.prometheus_server import Prometheus, RoundRobin, require, wait_for_scrapes
from tests.servers import wait_until
from tests.stations import TestStation, nothing

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "brushwork.json"
NUM_LIVES, NUM_JOBS, NUM_REQUESTS = 2, 4, 10
COUNTERS = '{__name__=~"brushwork_.*_(total|bucket|count|sum)"}'
OVER_ALL = "sum(max without (instance) ({}))"


@dataclass(frozen=True)
class Watched:
    """Two gateways and two ways to scrape them, after a worker and a gateway were restarted.

    Args:
        direct: A Prometheus with both gateways as targets.
        balanced: A Prometheus with the load balancer as its only target.
        ledger: The truth.
    """

    direct: Prometheus
    balanced: Prometheus
    ledger: LedgerStats

    @property
    def both(self) -> list[Prometheus]:
        return [self.direct, self.balanced]


@pytest.fixture(scope="module")
def watched(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    require("prometheus", "nginx")
    folder = tmp_path_factory.mktemp("watched")
    file = folder / "ledger.sqlite3"
    file.write_bytes(migrated_file.read_bytes())
    settings = settings_at(f"sqlite:///{file}", folder)
    database = Database(f"sqlite:///{file}")
    with Listening(settings) as first, Listening(settings) as second:
        addresses = [gateway.address.removeprefix("http://") for gateway in (first, second)]
        balancer = RoundRobin(folder / "nginx", addresses).start()
        direct = Prometheus(folder / "direct", addresses).start()
        balanced = Prometheus(folder / "balanced", [f"127.0.0.1:{balancer.port}"]).start()
        try:
            watched = Watched(direct, balanced, LedgerStats(database))
            _work(watched, database, folder, [first.address, second.address])
            yield watched
        finally:
            for server in (direct, balanced, balancer):
                server.stop()
            database.close()


def _work(watched: Watched, database: Database, folder: Path, addresses: list[str]) -> None:
    """Run jobs in a worker that is restarted, and ask both gateways, while Prometheus scrapes."""
    for life in range(NUM_LIVES):
        worker = TestStation(database, folder, nothing)
        identity = worker_identity("gpu0@here")
        reporter = Reporter(ProcessReports(database), identity, worker.registry, every_s=0.2)
        reporter.start()
        for number in range(NUM_JOBS):
            worker.execute(worker.adopted(f"{life}-{number}"))
        for number in range(NUM_REQUESTS):
            httpx.get(f"{addresses[number % 2]}/v1/jobs/none")
        wait_for_scrapes(watched.both)
        # Its last report comes after the last scrape of this life, perhaps.
        worker.execute(worker.adopted(f"{life}-last"))
        reporter.stop()
    Ledger(database).submit([new_job(f"queued-{number}") for number in range(7)])
    attempts = OVER_ALL.format('brushwork_attempts_total{outcome="succeeded"}')
    for prometheus in watched.both:
        wait_until(
            lambda prometheus=prometheus: prometheus.value(attempts) == _succeeded(watched),
            what=f"the count of {_succeeded(watched)} jobs", look_s=0.2,
        )  # fmt: skip
    wait_for_scrapes(watched.both)


def _succeeded(watched: Watched) -> int:
    return watched.ledger.num_ended()[JobState.SUCCEEDED]


def test_sums_are_those_of_the_ledger(watched: Watched) -> None:
    assert _succeeded(watched) == NUM_LIVES * (NUM_JOBS + 1)
    asked = 'brushwork_gateway_requests_total{route="/v1/jobs/{job_id}"}'
    for prometheus in watched.both:
        assert prometheus.value(OVER_ALL.format("brushwork_queue_depth")) == 7
        assert prometheus.value(OVER_ALL.format(asked)) == NUM_LIVES * NUM_REQUESTS
        timed = 'brushwork_job_queue_seconds_bucket{le="+Inf"}'
        assert prometheus.value(OVER_ALL.format(timed)) == _succeeded(watched)


def test_by_one_address_plain_sums_are_right(watched: Watched) -> None:
    assert watched.balanced.value('sum(brushwork_attempts_total{outcome="succeeded"})') == _succeeded(watched)
    assert watched.balanced.value("sum(brushwork_queue_depth)") == 7
    asked = 'sum(brushwork_gateway_requests_total{route="/v1/jobs/{job_id}"})'
    assert watched.balanced.value(asked) == NUM_LIVES * NUM_REQUESTS


def test_no_counter_goes_back(watched: Watched) -> None:
    for prometheus in watched.both:
        names = {labels["__name__"] for labels, _ in prometheus.query(f"count by (__name__) ({COUNTERS})")}
        assert len(names) > 15
        resets = {name: prometheus.value(f"sum(resets({name}[1h]))") for name in names}
        assert set(resets.values()) == {0}, resets


def test_a_restart_makes_no_new_series(watched: Watched) -> None:
    for prometheus in watched.both:
        found = prometheus.query("count by (process) (last_over_time(brushwork_attempts_total[1h]))")
        assert [labels["process"] for labels, _ in found] == ["gpu0@here"]
        gateways = prometheus.query("count by (process) (last_over_time(brushwork_up[1h]))")
        assert len(gateways) == 2


def test_each_panel_shows_the_same_in_both_ways(watched: Watched) -> None:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    expressions = {target["expr"] for panel in panels for target in panel.get("targets", ())}
    compared = 0
    for expression in sorted(expressions):
        now = expression.replace("$__rate_interval", "1m")
        seen = [dict(_rows(prometheus, now)) for prometheus in watched.both]
        assert seen[0].keys() == seen[1].keys(), expression
        # What changes all the time differs between two scrapes.
        if not re.search(r"rate\(|process_|time\(\)|age|free_bytes|latency|open_connections", expression):
            assert seen[0] == seen[1], expression
            compared += bool(seen[0])
    assert compared > 10


def _rows(prometheus: Prometheus, expression: str) -> list[tuple[frozenset[tuple[str, str]], float]]:
    """Results by their labels."""
    return [(frozenset(labels.items()), value) for labels, value in prometheus.query(expression)]
