"""429 with Retry-After, and its three reasons told apart; nothing is accepted or charged then."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from brushwork.direct_client import DirectClient
from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.limits import KeyLimits
from brushwork.gateway.admission.rate import Rate
from brushwork.inputs.intake import JobDraft
from brushwork.transports.payload import data_url
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.access.key_usage import KeyUsage, Usage
from brushwork_core.database.database import Database
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import QueueFull, RateLimited
from starlette.testclient import TestClient

from tests.archives import png
from tests.gateways import bearer, gateway
from tests.jobs import claimed, result_of
from tests.servers import RedisServer, free_port

# 0.0256 megapixels x steps.
JOB = {"kind": "text-to-image", "prompt": "x", "width": 64, "height": 64, "num_inference_steps": 10}
COST = 64 * 64 * 10 / 1e6


def bounded(database: Database, **bounds: Any) -> dict[str, str]:
    """The header of a new key with these bounds."""
    return bearer(ApiKeys(database).create("bounded", tenant="a", **bounds))


def used(database: Database) -> Usage:
    return next(iter(KeyUsage(database).today().values()), Usage())


def drafted(settings: Settings, *requests: dict[str, Any]) -> Sequence[JobDraft]:
    client = DirectClient(settings)
    try:
        return client.draft(requests)
    finally:
        client.close()


def num_jobs(http: TestClient, key: dict[str, str]) -> int:
    return len(http.get("/v1/jobs", headers=key).json()["jobs"])


def test_every_request_of_a_key_counts_towards_its_rate(http: TestClient, database: Database) -> None:
    key = bounded(database, requests_per_minute=3)
    first = http.get("/v1/jobs", headers=key)
    assert first.headers["RateLimit-Policy"] == '"key";q=3;w=60'
    assert first.headers["RateLimit"] == '"key";r=2;t=60'
    assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201
    assert http.get("/v1/jobs", headers=key).status_code == 200
    refused = http.post("/v1/jobs", json=JOB, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    other = bounded(database)
    assert num_jobs(http, other) == 1
    assert "RateLimit" not in http.get("/v1/jobs", headers=other).headers


def test_a_full_queue_of_a_kind(settings: Settings, database: Database) -> None:
    with gateway(settings.overridden(max_queued=2)) as http:
        key = bounded(database)
        for _ in range(2):
            assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201
        refused = http.post("/v1/jobs", json=JOB, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
        assert int(refused.headers["Retry-After"]) >= 1
        assert num_jobs(http, key) == 2
    assert used(database).num_jobs == 2


def test_open_jobs_of_a_key(http: TestClient, database: Database) -> None:
    key = bounded(database, max_open_jobs=1)
    job = http.post("/v1/jobs", json=JOB, headers=key).json()
    assert http.post("/v1/jobs", json=JOB, headers=key).json()["code"] == "queue_full"
    http.post(f"/v1/jobs/{job['id']}/cancel", headers=key)
    assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201


@pytest.mark.parametrize("bound", ["max_open_jobs", "max_queued"])
def test_who_comes_at_the_same_time_finds_no_more_room(
    settings: Settings, database: Database, bound: str
) -> None:
    of_all = {bound: 2} if bound == "max_queued" else {}
    of_key = {bound: 2} if bound == "max_open_jobs" else {}
    keys = ApiKeys(database)
    principal = Principal(keys.verify(keys.create("bounded", tenant="a", **of_key)))
    limits = KeyLimits(settings.overridden(**of_all), database, JobIndex(database))
    (mine,) = drafted(settings, {**JOB, "tenant": "a"})
    with limits.admit(principal, [mine]):
        with limits.admit(principal, [mine]), pytest.raises(QueueFull), limits.admit(principal, [mine]):
            raise AssertionError("there were two places")
        with pytest.raises(QueueFull), limits.admit(principal, [mine, mine]):
            raise AssertionError("one place was left")
        with limits.admit(principal, [mine]):
            pass
    limits.close()


def test_the_budget_of_a_day(http: TestClient, database: Database) -> None:
    key = bounded(database, daily_budget=2.5 * COST)
    for _ in range(2):
        assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201
    refused = http.post("/v1/jobs", json=JOB, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_exceeded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert used(database) == Usage(2, pytest.approx(2 * COST))
    assert num_jobs(http, key) == 2


def test_a_batch_is_charged_together_or_not_at_all(http: TestClient, database: Database) -> None:
    key = bounded(database, daily_budget=2.5 * COST)
    batch = {"requests": [JOB, JOB, JOB]}
    assert http.post("/v1/jobs:batch", json=batch, headers=key).json()["code"] == "budget_exceeded"
    assert used(database).num_jobs == 0
    assert http.post("/v1/jobs:batch", json={"requests": [JOB, JOB]}, headers=key).status_code == 201
    assert used(database).num_jobs == 2


def test_a_retry_is_charged_for_what_it_changes(http: TestClient, database: Database) -> None:
    key = bounded(database, daily_budget=4 * COST)
    job = http.post("/v1/jobs", json=JOB, headers=key).json()
    http.post(f"/v1/jobs/{job['id']}/cancel", headers=key)
    retry = f"/v1/jobs/{job['id']}/retry"
    assert http.post(retry, json={"num_inference_steps": 20}, headers=key).status_code == 201
    assert used(database) == Usage(2, pytest.approx(3 * COST))
    assert http.post(retry, json={"num_inference_steps": 20}, headers=key).json()["code"] == "budget_exceeded"


def test_what_is_refused_costs_nothing(http: TestClient, database: Database) -> None:
    key = bounded(database, daily_budget=COST)
    wrong = {**JOB, "image": "never taken"}
    assert http.post("/v1/jobs", json=wrong, headers=key).status_code == 422
    missing = {"kind": "image-to-text", "image": "0" * 64}
    assert http.post("/v1/jobs", json=missing, headers=key).status_code in (404, 422)
    assert used(database).num_jobs == 0
    assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201


def test_a_repeated_idempotency_key_costs_nothing_and_needs_no_room(
    http: TestClient, database: Database
) -> None:
    key = bounded(database, daily_budget=COST, max_open_jobs=1) | {"Idempotency-Key": "once"}
    first, again = (http.post("/v1/jobs", json=JOB, headers=key) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert used(database) == Usage(1, pytest.approx(COST))


def test_one_idempotency_key_sent_by_many_at_once_is_charged_once(
    settings: Settings, database: Database
) -> None:
    keys = ApiKeys(database)
    principal = Principal(keys.verify(keys.create("many", daily_budget=100 * COST)))
    limits, client = KeyLimits(settings, database, JobIndex(database)), DirectClient(settings)
    together = threading.Barrier(8)

    def submit() -> None:
        together.wait()
        drafts = client.draft([{**JOB, "idempotency_key": "once"}])
        with limits.admit(principal, drafts) as charged:
            # All have passed before the first is there.
            together.wait()
            charged.settle(client.accept_drafts(drafts))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    limits.close()
    assert used(database) == Usage(1, pytest.approx(COST))


def test_a_job_beyond_the_bound_of_any_is_the_requests_fault(settings: Settings, database: Database) -> None:
    with gateway(settings.overridden(max_job_cost=COST)) as http:
        assert http.post("/v1/jobs", json=JOB).status_code == 201
        refused = http.post("/v1/jobs", json={**JOB, "num_inference_steps": 11})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        key = bounded(database, daily_budget=COST / 2)
        assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 422


def test_several_gateways_count_together(redis_url: str) -> None:
    one, other = (Rate(Settings(redis_url=redis_url)) for _ in range(2))  # type: ignore[arg-type]
    assert [one.count("k", 2).remaining, other.count("k", 2).remaining] == [1, 0]
    with pytest.raises(RateLimited):
        one.count("k", 2)
    for rate in (one, other):
        rate.close()


def test_without_redis_a_process_counts_by_itself() -> None:
    rate = Rate(Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))  # type: ignore[arg-type]
    assert rate.count("k", 1).remaining == 0
    with pytest.raises(RateLimited):
        rate.count("k", 1)
    assert rate.count("other", 1).remaining == 0
    rate.close()


def test_a_frozen_redis_holds_one_request_and_no_other(tmp_path: Path) -> None:
    server = RedisServer(tmp_path).start()
    rate = Rate(Settings(redis_url=server.url))  # type: ignore[arg-type]
    try:
        assert rate.count("k", 3).remaining == 2
        server.freeze()
        # Its own count begins anew.
        assert [rate.count("k", 3).remaining for _ in range(3)] == [2, 1, 0]
    finally:
        server.stop()
        rate.close()


class TestQuota:
    def test_files_beyond_it_are_refused_and_those_of_others_are_not(
        self, http: TestClient, database: Database
    ) -> None:
        picture = png("red")
        key = bounded(database, max_stored_bytes=len(picture) + 10)
        of_other = bearer(ApiKeys(database).create("other", tenant="b"))
        sent = {"content": picture, "headers": key | {"Content-Type": "image/png"}}
        assert http.post("/v1/files", **sent).status_code == 201
        other = png("blue")
        refused = http.post("/v1/files", content=other, headers=sent["headers"])
        assert (refused.status_code, refused.json()["code"], refused.json()["fault"]) == (
            403,
            "quota_exceeded",
            "caller",
        )
        for headers in (of_other, bearer(ApiKeys(database).create("free", tenant="a"))):
            accepted = http.post("/v1/files", content=other, headers=headers | {"Content-Type": "image/png"})
            assert accepted.status_code == 201

    def test_a_job_whose_files_do_not_fit_in_is_refused_as_a_whole(
        self, http: TestClient, database: Database
    ) -> None:
        picture = png("red")
        key = bounded(database, max_stored_bytes=len(picture) - 1, daily_budget=10.0)
        job = {"kind": "image-classification", "image": data_url(picture)}
        refused = http.post("/v1/jobs", json=job, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
        assert (num_jobs(http, key), used(database)) == (0, Usage())
        assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201

    def test_a_tenant_that_has_reached_it_submits_nothing_more(
        self, http: TestClient, database: Database
    ) -> None:
        TenantFiles(database).record_upload(
            "a", Artifact(sha256="a" * 64, media_type="image/png", size_bytes=100)
        )
        key = bounded(database, max_stored_bytes=100)
        refused = http.post("/v1/jobs", json=JOB, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
        batch = http.post("/v1/jobs:batch", json={"requests": [JOB, JOB]}, headers=key)
        assert batch.status_code == 403
        assert http.get("/v1/jobs", headers=key).status_code == 200

    def test_results_of_accepted_jobs_are_kept_beyond_it_until_something_is_deleted(
        self, settings: Settings, database: Database
    ) -> None:
        """What was computed is not thrown away. `max_open_jobs` bounds how much it may be."""
        key = bounded(database, max_stored_bytes=100, max_open_jobs=2)
        with gateway(settings) as http:
            first, second = (http.post("/v1/jobs", json=JOB, headers=key).json()["id"] for _ in range(2))
            assert http.post("/v1/jobs", json=JOB, headers=key).json()["code"] == "queue_full"
        ledger = Ledger(database)
        for job_id, name in ((first, "1"), (second, "2")):
            made = Artifact(sha256=name * 64, media_type="image/png", size_bytes=90)
            ledger.complete(job_id, claimed(ledger, job_id).fence, result_of(1), [made])
        # Gateways that start anew read the sum at once.
        with gateway(settings) as http:
            assert http.get(f"/v1/jobs/{second}", headers=key).json()["state"] == "succeeded"
            refused = http.post("/v1/jobs", json=JOB, headers=key)
            assert (refused.json()["code"], "take 180 bytes" in refused.json()["detail"]) == (
                "quota_exceeded",
                True,
            )
            assert http.delete(f"/v1/jobs/{first}", headers=key).status_code == 204
        with gateway(settings) as http:
            assert http.post("/v1/jobs", json=JOB, headers=key).status_code == 201
