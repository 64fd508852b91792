"""The answer to a submit is lost: the same request with the same key finds the job, wherever it is sent."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from brushwork.gateway.services import Services
from brushwork_core.access.api_keys import ApiKeys
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable

from tests.clients import num_rows
from tests.gateways import GatewayServer, bearer, gateway
from tests.jobs import KIND
from tests.live_gateways import Listening
from tests.servers import wait_until

DRAW = {"kind": KIND, "prompt": "a red circle"}
KEY = {"Idempotency-Key": "order-17"}


@pytest.fixture
def two(settings: Settings) -> Iterator[list[Listening]]:
    """Two gateways of one service."""
    with Listening(settings) as one, Listening(settings) as other:
        for each in (one, other):
            # FastAPI prepares its routes at the first request, and hides its own warnings in a way that two
            # threads of one process disturb.
            assert httpx.get(f"{each.address}/v1/models").is_success
        yield [one, other]


def test_many_submits_of_one_key_at_two_gateways_make_one_job(
    two: list[Listening], database: Database
) -> None:
    def submit(number: int) -> httpx.Response:
        return httpx.post(f"{two[number % 2].address}/v1/jobs", json=DRAW, headers=KEY, timeout=30)

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(submit, range(24)))
    assert sorted(answer.status_code for answer in answers) == [200] * 23 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.json()["request"]["seed"] for answer in answers}) == 1
    assert num_rows(database)[0] == 1


def test_many_batches_of_one_key_at_two_gateways_make_their_jobs_once(
    two: list[Listening], database: Database
) -> None:
    batch = {"template": {"kind": KIND}, "product": {"prompt": ["a", "b"], "seed": [1, 2, 3]}}

    def submit(number: int) -> httpx.Response:
        return httpx.post(f"{two[number % 2].address}/v1/jobs:batch", json=batch, headers=KEY, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({json.dumps([job["id"] for job in answer.json()["jobs"]]) for answer in answers}) == 1
    assert num_rows(database)[0] == 6


@pytest.mark.one_database("the process is killed, not the database")
def test_a_gateway_that_is_killed_while_its_caller_waits_has_told_where_the_job_is(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    body, waiting = json.dumps(DRAW), {**KEY, "Prefer": "wait=30", "Content-Type": "application/json"}
    first = GatewayServer(settings, tmp_path / "first.log")
    try:
        first.start()
        url = f"{first.address}/v1/jobs"
        # The head comes before the end of the wait. Then the gateway is killed, so that no body follows.
        with httpx.stream("POST", url, content=body, headers=waiting, timeout=30) as answer:
            location = answer.headers["Location"]
            assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "wait=30")
            first.halt(signal.SIGKILL)
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        with Listening(settings) as other:
            found = httpx.get(f"{other.address}{location}").json()
            again = httpx.post(f"{other.address}/v1/jobs", json=DRAW, headers=KEY)
    finally:
        first.halt(signal.SIGKILL)
    assert (again.status_code, again.json()["id"]) == (200, found["id"])
    assert num_rows(database)[0] == 1


def test_the_body_follows_when_the_job_has_ended(settings: Settings, database: Database) -> None:
    with Listening(settings) as one:
        headers = {**KEY, "Prefer": "wait=30"}
        with httpx.stream("POST", f"{one.address}/v1/jobs", json=DRAW, headers=headers, timeout=40) as answer:
            job_id = answer.headers["Location"].rsplit("/", 1)[-1]
            wait_until(lambda: one.services.watch.num_watchers == 1, what="the wait")
            Ledger(database).cancel(job_id)
            answer.read()
        assert (answer.json()["id"], answer.json()["state"]) == (job_id, "canceled")
        again = httpx.post(f"{one.address}/v1/jobs", json=DRAW, headers=headers)
    assert (again.status_code, again.headers["Preference-Applied"]) == (200, "wait=30")
    assert again.json() == answer.json()


@pytest.mark.one_database("whose it is does not matter")
def test_blanks_keep_the_connection_of_a_wait(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brushwork.gateway.bodies.answer_at_end.BLANK_EVERY_S", 0.05)
    with Listening(settings) as one:
        answer = httpx.post(f"{one.address}/v1/jobs", json=DRAW, headers={"Prefer": "wait=1"}, timeout=30)
    assert answer.content.startswith(b"   ")
    assert answer.json()["state"] == "queued"


@pytest.mark.one_database("whose it is does not matter")
def test_whoever_leaves_a_wait_is_not_waited_for(settings: Settings) -> None:
    with Listening(settings) as one:
        with httpx.stream("POST", f"{one.address}/v1/jobs", json=DRAW, headers={"Prefer": "wait=30"}):
            wait_until(lambda: one.services.watch.num_watchers == 1, what="the wait")
        wait_until(lambda: one.services.watch.num_watchers == 0, what="the end of the wait")


@pytest.mark.one_database("the database is taken away by hand")
def test_a_database_that_is_away_after_the_job_was_accepted_costs_no_id(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise ServiceUnreachable("The database does not answer.")

    with gateway(settings) as http:
        services: Services = http.app.state.services  # type: ignore[attr-defined]
        monkeypatch.setattr(services.client, "get", away)
        answer = http.post("/v1/jobs", json=DRAW, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (201, "queued")
    assert num_rows(database)[0] == 1


@pytest.mark.one_database("limits are counted alike")
def test_a_repeated_key_is_answered_although_a_limit_is_reached_now(
    settings: Settings, database: Database
) -> None:
    secret = ApiKeys(database).create("a", tenant="mine", max_open_jobs=1, daily_budget=0.06)
    headers = {**bearer(secret), **KEY}
    full = settings.model_copy(update={"max_queued": 1})
    with gateway(full) as http:
        first = http.post("/v1/jobs", json=DRAW, headers=headers)
        refused = http.post("/v1/jobs", json=DRAW, headers={**headers, "Idempotency-Key": "other"})
        again = http.post("/v1/jobs", json=DRAW, headers=headers)
    assert (first.status_code, refused.status_code, again.status_code) == (201, 429, 200), first.text
    assert again.json()["id"] == first.json()["id"]


@pytest.mark.one_database("what is refused is in no database")
def test_a_refusal_leaves_the_key_free(settings: Settings) -> None:
    with gateway(settings) as http:
        wrong = {**DRAW, "num_inference_steps": 9999}
        assert [http.post("/v1/jobs", json=wrong, headers=KEY).status_code for _ in range(2)] == [422, 422]
        assert http.post("/v1/jobs", json=DRAW, headers=KEY).status_code == 201
        other = http.post("/v1/jobs", json={**DRAW, "prompt": "another"}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
