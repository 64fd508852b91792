"""A refusal by a policy through every entry point, and in a worker that the entry points have passed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from brushwork import Client
from brushwork.cli import main
from brushwork_core.audit.audit_log import AuditFilter, AuditLog
from brushwork_core.database.database import Database
from brushwork_core.policies import Action, Decision, PolicyRequest
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import PolicyRefused
from brushwork_schemas.job import Job
from brushwork_schemas.states import JobState
from brushwork_workers.execution.attempt_result import Outcome
from starlette.testclient import TestClient

from tests.gateways import bearer, gateway, key, settings_at
from tests.live_gateways import Listening
from tests.policy_files import Scripted, policies_of, written
from tests.stations import TestStation, nothing

pytestmark = pytest.mark.one_database("policies are the same on both")
BAD = {"kind": "text-to-image", "prompt": "an old ＧＵＮ"}
GOOD = {"kind": "text-to-image", "prompt": "a red circle"}
REFUSED = "Refused by the policy no-weapons: Weapons are not allowed here."


@pytest.fixture
def own(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_at(sqlite_url, tmp_path, policies=written(tmp_path))


@pytest.fixture
def guarded(own: Settings) -> Iterator[TestClient]:
    with gateway(own, follow_redirects=False) as client:
        yield client


def sent(client: Client, request: Mapping[str, Any]) -> Job:
    return client.submit_many([request])[0]


def num_jobs(settings: Settings) -> int:
    with Client(settings=replace_policies(settings)) as client:
        return len(client.list())


def replace_policies(settings: Settings) -> Settings:
    return settings.model_copy(update={"policies": None})


def test_a_client(own: Settings) -> None:
    with Client(settings=own) as client:
        with pytest.raises(PolicyRefused, match="Weapons are not allowed") as raised:
            sent(client, BAD)
        assert (raised.value.field, raised.value.fault) == ("prompt", "caller")
        assert sent(client, GOOD).state is JobState.QUEUED
    assert num_jobs(own) == 1


def test_http_and_a_client_of_the_gateway(own: Settings) -> None:
    with Listening(own) as listening, Client(listening.address) as client:
        with pytest.raises(PolicyRefused, match="Weapons are not allowed"):
            sent(client, BAD)
        assert sent(client, GOOD).state is JobState.QUEUED
    assert num_jobs(own) == 1


def test_http_answers_with_a_problem_in_the_language_of_the_caller(guarded: TestClient) -> None:
    answer = guarded.post("/v1/jobs", json=BAD)
    assert answer.status_code == 403
    problem = answer.json()
    assert (problem["code"], problem["field"], problem["detail"]) == ("policy_refused", "prompt", REFUSED)
    chinese = guarded.post("/v1/jobs", json=BAD, headers={"Accept-Language": "zh"}).json()
    assert chinese["detail"] == "被策略 no-weapons 拒绝：Weapons are not allowed here."


def test_a_form_over_http(guarded: TestClient) -> None:
    answer = guarded.post("/v1/jobs", files={"request": (None, json.dumps({**BAD, "prompt": "暴力图片"}))})
    assert (answer.status_code, answer.json()["code"]) == (403, "policy_refused")


def test_a_batch_is_refused_whole_and_names_the_request(guarded: TestClient, own: Settings) -> None:
    answer = guarded.post("/v1/jobs:batch", json={"requests": [GOOD, BAD, GOOD, BAD]})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (403, "policy_refused")
    assert problem["field"] == "requests[1].prompt"
    assert num_jobs(own) == 0
    detail = {"kind": "text-to-image", "policy": "no-weapons", "stage": "request"}
    assert recorded(own) == [("refuse", detail)] * 2


def recorded(settings: Settings) -> list[tuple[str, object]]:
    with closing(Database(settings.database_url.get_secret_value())) as database:
        events = AuditLog(database).events(AuditFilter(action="policy"))
        return [(each.outcome, each.detail) for each in events]


def test_a_refused_request_costs_a_key_nothing(own: Settings, guarded: TestClient) -> None:
    headers = bearer(key(own, "acme"))
    assert guarded.post("/v1/jobs", json=BAD, headers=headers).status_code == 403
    database = Database(own.database_url.get_secret_value())
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM key_usage").scalar() == 0
    (event,) = AuditLog(database).events(AuditFilter(action="policy"))
    database.close()
    assert event.actor.startswith("key:")
    assert event.tenant == "acme"


def test_running_a_job_again_is_a_request_like_any_other(own: Settings, guarded: TestClient) -> None:
    with Client(settings=replace_policies(own)) as client:
        job = sent(client, BAD)
        client.cancel(job.id)
    answer = guarded.post(f"/v1/jobs/{job.id}/retry")
    assert (answer.status_code, answer.json()["code"]) == (403, "policy_refused")


def test_the_page_shows_the_reason_at_its_field(guarded: TestClient) -> None:
    answer = guarded.post("/jobs", data=BAD)
    assert answer.status_code == 403
    assert "Weapons are not allowed here." in answer.text
    assert "an old ＧＵＮ" in answer.text


@pytest.mark.parametrize("over", ["ledger", "gateway"])
def test_the_command_line(
    own: Settings, over: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", own.database_url.get_secret_value())
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", own.artifacts_url)
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", own.redis_url.get_secret_value())
    arguments = ["submit", "text-to-image", "an old gun", "--json"]
    with Listening(own) as listening:
        monkeypatch.setenv("BRUSHWORK_POLICIES", str(own.policies))
        if over == "gateway":
            monkeypatch.setenv("BRUSHWORK_URL", listening.address)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    assert ended.value.code
    captured = capsys.readouterr()
    assert "policy_refused" in captured.out + captured.err
    assert "Weapons are not allowed here." in captured.out + captured.err


def test_a_bare_message(sqlite_url: str, tmp_path: Path) -> None:
    station = TestStation(Database(sqlite_url), tmp_path, nothing, policies=PolicySet.load(written(tmp_path)))
    job = station.job(station.adopted("bare", prompt="一张暴力图片"))
    assert job.state is JobState.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.field) == ("policy_refused", "prompt")


def test_the_worker_decides_although_nobody_refused_before(sqlite_url: str, tmp_path: Path) -> None:
    performed: list[object] = []
    station = TestStation(
        database := Database(sqlite_url),
        tmp_path,
        lambda request, context: performed.append(request),
        policies=PolicySet.load(written(tmp_path)),
    )
    with Client(
        settings=replace_policies(settings_at(sqlite_url, tmp_path)),
    ) as client:
        job = sent(client, BAD)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE jobs SET model = 'stub'")
    assert station.execute(job.id) is Outcome.FAILED
    failed = station.job(job.id)
    assert failed.error is not None
    assert (failed.state, failed.error.code) == (JobState.FAILED, "policy_refused")
    # Final: nobody runs it again, and no attempt of the worker made a model call.
    assert station.execute(job.id) is None
    assert performed == []
    (event,) = AuditLog(database).events(AuditFilter(action="policy"))
    assert (event.outcome, event.subjects) == ("refuse", (job.id,))


def test_a_flag_is_a_warning_of_the_result(sqlite_url: str, tmp_path: Path) -> None:
    def flag(request: PolicyRequest) -> Decision:
        assert request.tenant == "acme"
        return Decision(Action.FLAG, "Shows a circle.", field="prompt")

    station = TestStation(
        Database(sqlite_url), tmp_path, nothing, policies=policies_of(Scripted(flag), name="shapes")
    )
    job_id = station.adopted(tenant="acme")
    assert station.execute(job_id) is Outcome.SUCCEEDED
    result = station.job(job_id).result
    assert result is not None
    (warning,) = result.warnings
    assert (warning.code, warning.field) == ("policy_flagged", "prompt")
    assert warning.message == "Flagged by the policy shapes: Shows a circle."


@pytest.mark.parametrize(("on_error", "state"), [("refuse", JobState.FAILED), ("allow", JobState.SUCCEEDED)])
def test_a_policy_that_fails_in_a_worker(
    sqlite_url: str, tmp_path: Path, on_error: str, state: JobState
) -> None:
    def fail(request: PolicyRequest) -> None:
        raise ConnectionError("the service of the policy is away")

    station = TestStation(Database(sqlite_url), tmp_path, nothing)
    job_id = station.adopted()
    station.executor._policies.policies = policies_of(Scripted(fail), on_error=on_error)
    station.execute(job_id)
    job = station.job(job_id)
    assert job.state is state
    if job.error is not None:
        assert (job.error.code, job.error.fault) == ("policy_failed", "operator")
        assert "service of the policy" not in json.dumps(job.error.model_dump())
