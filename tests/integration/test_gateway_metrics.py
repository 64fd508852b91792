"""GET /metrics, what a gateway counts of its requests, and what it logs of them."""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry.log import ContextFilter, JsonLines
from brushwork_core.telemetry.process_reports import ProcessReports
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.gateways import bearer, gateway, key
from tests.jobs import KIND, claimed, new_job
from tests.live_gateways import GatewayProcess, Listening
from tests.servers import wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
OF_A_WORKER = """\
# HELP brushwork_attempts_total Attempts.
# TYPE brushwork_attempts_total counter
brushwork_attempts_total{kind="text-to-image",outcome="succeeded"} 5.0
# HELP process_cpu_seconds_total Time.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.5
"""


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Nothing here needs Redis."""
    return Settings(  # type: ignore[arg-type]
        redis_url="redis://127.0.0.1:1/0",  # type: ignore[arg-type]
        database_url=sqlite_url,  # type: ignore[arg-type]
        artifacts_url=str(tmp_path / "artifacts"),
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    opened = Database(settings.database_url.get_secret_value())
    yield opened
    opened.close()


def scraped(http: httpx.Client) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Samples by name: labels and value."""
    answer = http.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def value(http: httpx.Client, name: str, **labels: str) -> float | None:
    """The sum over the samples that have these labels; None where there are none."""
    found = [number for given, number in scraped(http).get(name, []) if labels.items() <= given.items()]
    return sum(found) if found else None


def test_the_ledgers_figures_are_there(http: TestClient, database: Database) -> None:
    ledger = Ledger(database)
    ledger.submit([new_job(job_id, webhook_url="https://receiver.example") for job_id in "abc"])
    claimed(ledger, "a")
    ledger.cancel("b")
    ledger.submit([new_job("lost")])
    claimed(ledger, "lost", "gone")
    ledger.reap(["gone"])
    ledger.cancel("lost")
    found = scraped(http)
    assert ({"fate": "charged"}, 1.0) in found["brushwork_reaped_jobs_total"]
    assert ({"kind": KIND}, 1.0) in found["brushwork_queue_depth"]
    states = {labels["state"]: number for labels, number in found["brushwork_jobs"]}
    assert states == {"queued": 1, "running": 1, "canceled": 2, "succeeded": 0, "failed": 0, "expired": 0}
    assert found["brushwork_webhook_open_events"] == [({}, 1.0)]
    assert all(age >= 0 for _, age in found["brushwork_queue_oldest_age_seconds"])


def test_every_process_is_told_apart(http: TestClient, database: Database) -> None:
    for process in ("w@here/1", "w@here/2"):
        ProcessReports(database).report(process, "worker", OF_A_WORKER)
    text = http.get("/metrics").text
    heads = Counter(line.rsplit(" ", 1)[0] for line in text.splitlines() if line.startswith("# TYPE"))
    assert set(heads.values()) == {1}
    helps = Counter(line.split(" ")[2] for line in text.splitlines() if line.startswith("# HELP"))
    assert len(helps) == len(heads)
    assert set(helps.values()) == {1}
    found = scraped(http)
    assert {labels["process"] for labels, _ in found["brushwork_attempts_total"]} == {"w@here/1", "w@here/2"}
    # The gateway's own is among them, once.
    processes = Counter(labels["process"] for labels, _ in found["process_cpu_seconds_total"])
    assert set(processes.values()) == {1}
    assert len(processes) == 3


def test_it_speaks_as_it_is_asked_to(http: TestClient) -> None:
    plain = http.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    wanted = "application/openmetrics-text; version=1.0.0, text/plain;q=0.5"
    answer = http.get("/metrics", headers={"Accept": wanted})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    names = {family.name for family in read_openmetrics(answer.text)}
    assert {"brushwork_jobs", "brushwork_gateway_requests", "process_cpu_seconds"} <= names


def test_with_keys_it_is_for_admins(settings: Settings) -> None:
    admin, reader = key(settings, scopes=[Scope.ADMIN]), key(settings)
    with gateway(settings) as http:
        assert http.get("/metrics").status_code == 401
        assert http.get("/metrics", headers=bearer(reader)).status_code == 403
        assert http.get("/metrics", headers=bearer(admin)).status_code == 200


def test_requests_are_counted_by_route_and_not_by_path(http: TestClient) -> None:
    for job_id in ("a", "b"):
        http.get(f"/v1/jobs/{job_id}")
    http.get("/no/such/page")
    http.post("/v1/jobs", json={"kind": "no-such-kind"})
    http.request("BREW", "/v1/jobs")
    found = scraped(http)["brushwork_gateway_requests_total"]
    counted = {(labels["method"], labels["route"], labels["status"]): number for labels, number in found}
    assert counted["GET", "/v1/jobs/{job_id}", "404"] == 2
    assert counted["GET", "unknown", "404"] == 1
    assert counted["POST", "/v1/jobs", "422"] == 1
    assert not any("/no/such" in route for _, route, _ in counted)
    assert {method for method, _, _ in counted} <= {"GET", "POST", "other"}
    assert value(http, "brushwork_gateway_request_seconds_count", route="/v1/jobs/{job_id}") == 2
    assert value(http, "brushwork_gateway_problems_total", code="job_not_found") == 2
    assert value(http, "brushwork_gateway_problems_total", code="rate_limited") == 0


def test_a_limit_that_is_hit_is_counted(settings: Settings) -> None:
    # Without Redis nothing is taken from the line.
    with gateway(settings.model_copy(update={"max_queued": 1})) as http:
        statuses = [http.post("/v1/jobs", json={"kind": KIND, "prompt": "x"}).status_code for _ in range(3)]
        assert statuses == [201, 429, 429]
        assert value(http, "brushwork_gateway_problems_total", code="queue_full") == 2


def test_streams_that_are_open_are_counted(settings: Settings, database: Database) -> None:
    Ledger(database).submit([new_job("a")])
    with Listening(settings) as listening, httpx.Client(base_url=listening.address) as http:
        with http.stream("GET", "/v1/jobs/a/events") as events:
            # Held on to: without it the stream would be closed.
            lines = events.iter_lines()
            assert next(lines)
            assert value(http, "brushwork_gateway_open_streams") == 1
        wait_until(lambda: value(http, "brushwork_gateway_open_streams") == 0)
        wait_until(
            lambda: value(http, "brushwork_gateway_request_seconds_count", route="/v1/jobs/{job_id}/events")
        )


def test_a_gateway_reports_itself_to_the_others(settings: Settings, database: Database) -> None:
    with gateway(settings) as http:
        http.get("/v1/jobs/a")
    [report] = ProcessReports(database).live(60)
    assert report.role == "gateway"
    assert 'brushwork_gateway_problems_total{code="job_not_found"} 1.0' in report.samples


@pytest.fixture
def written() -> Iterator[list[dict[str, object]]]:
    """The lines of the gateway's log."""
    lines: list[dict[str, object]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    handler = Lines()
    handler.setFormatter(JsonLines())
    handler.addFilter(ContextFilter())
    logger = logging.getLogger("brushwork.gateway.requests")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_a_request_is_one_line_with_its_id_and_trace(
    http: TestClient, written: list[dict[str, object]]
) -> None:
    headers = {"X-Request-ID": "order-7", "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    answer = http.get("/v1/jobs/a?text=a+red+circle", headers=headers)
    assert answer.headers["x-request-id"] == "order-7"
    [line] = written
    assert (line["request"], line["trace"]) == ("order-7", TRACE_ID)
    assert str(line["message"]).startswith("GET /v1/jobs/a 404 in ")
    assert "circle" not in json.dumps(line)


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "naïve", "a;b"])
def test_an_id_that_a_log_can_not_bear_gets_a_stand_in(
    http: TestClient, written: list[dict[str, object]], given: str
) -> None:
    answer = http.get("/v1/jobs/a", headers={"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] == written[0]["request"] != given
    assert "trace" not in written[0]


def test_those_who_only_watch_are_no_news(http: TestClient, written: list[dict[str, object]]) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert http.get(path).status_code == 200
    assert written == []


def test_a_process_writes_json_and_no_word_that_was_searched_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_LOG_FORMAT", "json")
    with GatewayProcess(settings) as process:
        answer = httpx.get(f"{process.address}/v1/jobs", params={"text": "a red circle"})
        assert httpx.get(f"{process.address}/metrics").status_code == 200
        log = process.stop()
    lines = [json.loads(line) for line in log.splitlines()]
    [line] = [line for line in lines if line.get("request") == answer.headers["x-request-id"]]
    assert str(line["message"]).startswith("GET /v1/jobs 200 in ")
    assert "circle" not in log
    assert "/metrics" not in log
