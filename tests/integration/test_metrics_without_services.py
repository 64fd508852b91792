"""/metrics while the database, Redis or the store is away: what the gateway knows, and no address."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from brushwork.gateway.telemetry import reporting
from brushwork_core.access.api_keys import Scope
from brushwork_core.settings.settings import Settings
from brushwork_core.telemetry import service_probe
from prometheus_client.parser import text_string_to_metric_families

from tests.chaos.links import Way
from tests.chaos.proxy import Proxy, by_port, socket_of
from tests.gateways import bearer, key, settings_at
from tests.live_gateways import Listening
from tests.servers import wait_until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services are checked often, and a scrape waits less long for the database."""
    for name, value in (("EVERY_S", 0.1), ("LIMIT_S", 0.5)):
        monkeypatch.setattr(service_probe, name, value)
    monkeypatch.setattr(reporting, "DATABASE_LIMIT_S", 0.5)


def samples(answer: httpx.Response) -> dict[str, list[tuple[dict[str, str], float]]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def up(answer: httpx.Response) -> dict[str, float]:
    return {labels["service"]: value for labels, value in samples(answer).get("brushwork_up", [])}


@contextmanager
def gateway_at(database_url: str, redis_url: str, store: str) -> Iterator[httpx.Client]:
    settings = Settings(redis_url=redis_url, database_url=database_url, artifacts_url=store)  # type: ignore[arg-type]
    with Listening(settings) as listening, httpx.Client(base_url=listening.address, timeout=30) as http:
        yield http


def everything_is_up(http: httpx.Client, **options: object) -> bool:
    return up(http.get("/metrics", **options)) == {"database": 1, "redis": 1, "store": 1}  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_without_the_database_it_tells_what_it_knows(
    postgres_url: str, redis_url: str, tmp_path: Path, way: str
) -> None:
    proxy = Proxy(socket_of(postgres_url))
    with proxy:
        address = by_port(postgres_url, proxy.port, answer_s=2)
        with gateway_at(address, redis_url, str(tmp_path / "artifacts")) as http:
            wait_until(lambda: everything_is_up(http), what="all services")
            for _ in range(3):
                http.get("/v1/jobs/none")
            if way == "silent":
                proxy.silence(Way.DOWN)
            else:
                proxy.stop_listening()
            began = time.monotonic()
            first = http.get("/metrics")
            # A scrape that takes as long as the database would be given up by Prometheus.
            assert time.monotonic() - began < 5
            assert first.status_code == 200
            wait_until(lambda: up(http.get("/metrics")).get("database") == 0, what="the absence")
            answer = http.get("/metrics")
            assert up(answer) == {"database": 0, "redis": 1, "store": 1}
            assert str(proxy.port) not in answer.text
            assert "tester" not in answer.text
            found = samples(answer)
            missing = {"code": "job_not_found"}
            [(_, number)] = [
                (labels, value)
                for labels, value in found["brushwork_gateway_problems_total"]
                if missing.items() <= labels.items()
            ]
            assert number == 3
            assert "brushwork_build_info" in found
            assert "brushwork_queue_depth" not in found


def test_redis_and_store_that_are_away_are_told_apart(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    with gateway_at(postgres_url, "redis://127.0.0.1:1/0", str(tmp_path / "artifacts")) as http:
        wait_until(lambda: up(http.get("/metrics")) == {"database": 1, "redis": 0, "store": 1})
        found = samples(http.get("/metrics"))
        assert {labels["service"] for labels, _ in found["brushwork_service_latency_seconds"]} == {
            "database", "store",
        }  # fmt: skip
        assert found["brushwork_tables_match"][0][1] == 1


def test_a_store_whose_folder_is_gone_is_away(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    with gateway_at(postgres_url, redis_url, str(tmp_path / "artifacts")) as http:
        wait_until(lambda: everything_is_up(http), what="all services")
        (tmp_path / "artifacts").rename(tmp_path / "elsewhere")
        wait_until(lambda: up(http.get("/metrics")) == {"database": 1, "redis": 1, "store": 0})
        assert "elsewhere" not in http.get("/metrics").text
        (tmp_path / "elsewhere").rename(tmp_path / "artifacts")
        wait_until(lambda: everything_is_up(http), what="the store")


def test_a_key_that_was_verified_before_reads_all_and_no_other(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    store = str(tmp_path / "artifacts")
    settings = settings_at(postgres_url, tmp_path)
    admin, reader, unused = (
        key(settings, scopes=[scope]) for scope in (Scope.ADMIN, Scope.READ, Scope.ADMIN)
    )
    proxy = Proxy(socket_of(postgres_url))
    with proxy, gateway_at(by_port(postgres_url, proxy.port, answer_s=2), redis_url, store) as http:
        wait_until(lambda: everything_is_up(http, headers=bearer(admin)), what="all services")
        assert http.get("/metrics", headers=bearer(reader)).status_code == 403
        assert http.get("/metrics").status_code == 401
        proxy.stop_listening()
        wait_until(lambda: up(http.get("/metrics", headers=bearer(admin))).get("database") == 0)
        assert "brushwork_gateway_requests_total" in samples(http.get("/metrics", headers=bearer(admin)))
        for headers in ({}, bearer(reader), bearer(unused)):
            wait_until(
                lambda headers=headers: http.get("/metrics", headers=headers).status_code == 200,
                what="the end of the cached verification",
            )
            found = samples(http.get("/metrics", headers=headers))
            assert found.keys() == {"brushwork_up", "brushwork_service_latency_seconds"}
            assert up(http.get("/metrics", headers=headers))["database"] == 0
