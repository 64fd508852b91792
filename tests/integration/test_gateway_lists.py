"""Lists by HTTP: jobs with filters and cursors, workers, queues."""

from typing import Any

import pytest
from brushwork_core.access.api_keys import ApiKeys, Scope
from brushwork_core.database.database import Database
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries import outlooks
from brushwork_core.settings.settings import Settings
from brushwork_schemas.worker import WorkerEntry
from starlette.testclient import TestClient

from tests.gateways import bearer, key
from tests.jobs import KIND, begun, new_job


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlooks, "KEEP_S", 0.0)
    monkeypatch.setattr("brushwork_core.queries.ttl_cache.QUERY_TIMES", 0)


@pytest.fixture
def jobs(ledger: Ledger) -> list[str]:
    ids = [f"job-{number}" for number in range(7)]
    for number, job_id in enumerate(ids):
        ledger.submit([new_job(job_id, tenant=f"tenant-{number % 2}", group="ours" if number < 3 else None)])
    return ids


def listed(http: TestClient, query: str = "", **options: Any) -> list[str]:
    answer = http.get(f"/v1/jobs{query}", **options)
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def test_pages_lead_from_one_to_the_next(http: TestClient, jobs: list[str]) -> None:
    found, cursor = [], ""
    for expected in (3, 3, 1):
        page = http.get(f"/v1/jobs?limit=3{cursor}").json()
        assert len(page["jobs"]) == expected
        found += [job["id"] for job in page["jobs"]]
        cursor = f"&cursor={page['next']}"
    assert page["next"] is None
    assert found == jobs[::-1]
    assert http.get("/v1/jobs?limit=7").json()["next"] is None


def test_filters_go_together(http: TestClient, jobs: list[str]) -> None:
    assert listed(http, "?group=ours&tenant=tenant-0") == ["job-2", "job-0"]
    assert listed(http, "?text=JOB-6&kind=text-to-image&state=queued&model=pocket-diffusion") == ["job-6"]
    assert listed(http, "?created_after=2100-01-01T00:00:00Z") == []
    assert listed(http, "?created_before=2100-01-01T00:00:00%2B01:00&limit=1") == ["job-6"]


def test_a_job_in_a_list_has_links_and_no_outlook(http: TestClient, jobs: list[str]) -> None:
    job = http.get("/v1/jobs?limit=1").json()["jobs"][0]
    assert job["links"]["self"] == "/v1/jobs/job-6"
    assert job["outlook"] is None
    alone = http.get("/v1/jobs/job-6").json()
    assert alone["outlook"] == {
        "position": 6, "estimated_start_at": None, "estimated_end_at": None, "servable": False,
        "num_workers": 0, "num_calls": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("kind=painting", "unknown_kind", "kind"),
        ("state=lost", "invalid_request", "state"),
        ("limit=0", "invalid_request", "limit"),
        ("limit=1001", "invalid_request", "limit"),
        ("cursor=x", "invalid_request", "cursor"),
        ("text=%00", "invalid_request", "text"),
        ("model=a%00b", "invalid_request", "model"),
        ("created_after=yesterday", "invalid_request", "created_after"),
        ("created_after=2026-01-01T00:00:00", "invalid_request", "created_after"),
    ],
)
def test_what_cannot_be_asked(http: TestClient, query: str, code: str, field: str) -> None:
    answer = http.get(f"/v1/jobs?{query}")
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["field"]) == (code, field)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"])
def test_moments_at_the_edges_of_time(http: TestClient, jobs: list[str], moment: str) -> None:
    assert len(listed(http, f"?created_after={moment}")) in (0, 7)
    assert len(listed(http, f"?created_before={moment}")) in (0, 7)


def test_a_tenant_lists_its_own_jobs_alone(http: TestClient, settings: Settings, jobs: list[str]) -> None:
    theirs, admin = bearer(key(settings, "tenant-1")), bearer(key(settings, "x", [Scope.ADMIN]))
    assert listed(http, headers=theirs) == ["job-5", "job-3", "job-1"]
    assert listed(http, "?tenant=tenant-1", headers=theirs) == ["job-5", "job-3", "job-1"]
    refused = http.get("/v1/jobs?tenant=tenant-0", headers=theirs)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert len(listed(http, headers=admin)) == 7
    assert listed(http, "?tenant=tenant-0&limit=1", headers=admin) == ["job-6"]


def test_answers_that_are_written_out_say_how_often_one_may_ask(
    http: TestClient, database: Database, jobs: list[str]
) -> None:
    bounded = ApiKeys(database).create("bounded", tenant="tenant-0", requests_per_minute=50)
    for path in ("/v1/jobs", "/v1/jobs/job-0"):
        assert http.get(path, headers=bearer(bounded)).headers["RateLimit-Policy"] == '"key";q=50;w=60'


def test_workers_and_what_they_run(
    http: TestClient, database: Database, ledger: Ledger, jobs: list[str]
) -> None:
    WorkerRegistry(database).announce(WorkerEntry("one/1", (KIND,), ("pocket-diffusion",), "cpu", ready=True))
    begun(ledger, "job-0", "one/1")
    begun(ledger, "job-1", "one/1")
    (worker,) = http.get("/v1/workers").json()["workers"]
    assert 0 <= worker.pop("silent_s") < 60
    known = {
        "name": "one/1", "kinds": [KIND], "models": ["pocket-diffusion"], "device": "cpu", "ready": True,
        "running": 2,
    }  # fmt: skip
    assert worker.items() >= known.items()


def test_queues_and_what_waits_in_them(
    http: TestClient, database: Database, ledger: Ledger, jobs: list[str]
) -> None:
    WorkerRegistry(database).announce(WorkerEntry("one/1", (KIND,), ("pocket-diffusion",), "cpu", ready=True))
    WorkerRegistry(database).announce(WorkerEntry("two/2", (KIND,), ("pocket-diffusion",), "cpu"))
    ledger.submit([new_job(f"more-{number}") for number in range(3)])
    begun(ledger, "job-0")
    queues = {queue.pop("kind"): queue for queue in http.get("/v1/queues").json()["queues"]}
    assert 0 <= queues[KIND].pop("oldest_s") < 60
    absent = queues[KIND].pop("models_on_no_worker")
    assert "pocket-turbo" in absent
    assert "pocket-diffusion" not in absent
    assert queues[KIND] == {
        "in_redis": 0, "in_ledger": 9, "running": 1, "workers": 1, "workers_without_model": 0,
    }  # fmt: skip
    assert "pocket-captioner" in queues["image-to-text"].pop("models_on_no_worker")
    assert queues["image-to-text"] == {
        "in_redis": 0, "in_ledger": 0, "running": 0, "oldest_s": None,
        "workers": 0, "workers_without_model": 0,
    }  # fmt: skip
