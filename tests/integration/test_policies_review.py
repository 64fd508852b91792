"""A held result through every way of reading it, and its review by HTTP, page and command line."""

import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from brushwork import Client
from brushwork.cli import main
from brushwork_core.access.api_keys import Scope
from brushwork_core.audit.audit_log import AuditLog
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import JobFailed, ResultHeld
from brushwork_schemas.states import JobState
from celery import Celery
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import bearer, gateway, key, settings_at
from tests.held_results import REASON, held_result
from tests.live_gateways import Listening, events

pytestmark = pytest.mark.one_database("test_held_results has both")
JOB = "a" * 8


@pytest.fixture
def own(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_at(sqlite_url, tmp_path)


@pytest.fixture
def picture(own: Settings) -> Artifact:
    """The picture of a held result, of the job `JOB` of the tenant `acme`."""
    return held_result(own, JOB)


@pytest.fixture
def http(own: Settings, picture: Artifact) -> Iterator[TestClient]:
    with gateway(own, follow_redirects=False) as client:
        yield client


@pytest.fixture
def keys(own: Settings) -> dict[str, dict[str, str]]:
    return {
        "caller": bearer(key(own, "acme")),
        "admin": bearer(key(own, "ops", [Scope.ADMIN])),
    }


def read(http: TestClient, sha256: str, headers: dict[str, str]) -> list[int]:
    paths = (f"/v1/files/{sha256}", f"/thumbnails/{sha256}")
    return [http.get(path, headers=headers).status_code for path in paths]


def test_no_key_reads_the_files_by_their_names(
    http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]]
) -> None:
    for headers in keys.values():
        assert read(http, picture.sha256, headers) == [404, 404]
        assert http.head(f"/v1/files/{picture.sha256}", headers=headers).status_code == 404
        named = http.post(
            "/v1/jobs", json={"kind": "image-to-text", "image": picture.sha256}, headers=headers
        )
        assert named.status_code == 422


def test_the_caller_sees_a_job_that_waits(
    http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]]
) -> None:
    job = http.get(f"/v1/jobs/{JOB}", headers=keys["caller"]).json()
    assert (job["state"], job["result"]) == ("succeeded", None)
    assert job["review"]["reason"] == REASON
    assert not [link for link in job["links"] if link.startswith("file")]
    listed = http.get("/v1/jobs", headers=keys["caller"])
    page = http.get(f"/jobs/{JOB}", headers=keys["caller"])
    gallery = http.get("/gallery", headers=keys["caller"])
    assert "It shows a &lt;b&gt;star&lt;/b&gt;." in page.text
    assert gallery.status_code == 200
    assert not [each.url for each in (listed, page, gallery) if picture.sha256 in each.text]
    chinese = http.get(f"/jobs/{JOB}", headers={**keys["caller"], "Accept-Language": "zh"})
    assert "结果正在等待审核" in chinese.text


def test_only_an_admin_reviews(http: TestClient, keys: dict[str, dict[str, str]]) -> None:
    assert http.get("/v1/reviews", headers=keys["caller"]).status_code == 403
    assert http.post(f"/v1/reviews/{JOB}/release", headers=keys["caller"]).status_code == 403
    assert http.get(f"/v1/jobs/{JOB}", headers=keys["caller"]).json()["result"] is None


def test_a_release_over_http(http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]]) -> None:
    (found,) = http.get("/v1/reviews", headers=keys["admin"]).json()["reviews"]
    assert (found["job_id"], found["policy"], found["reason"]) == (JOB, "no-stars", REASON)
    shown = http.get(found["links"]["file:0"], headers=keys["admin"])
    assert (shown.content, shown.headers["Cache-Control"]) == (png("red"), "no-store")
    other = found["links"]["file:0"].replace(picture.sha256, "0" * 64)
    assert http.get(other, headers=keys["admin"]).status_code == 404
    released = http.post(found["links"]["release"], headers=keys["admin"]).json()
    assert released["result"]["images"][0]["sha256"] == picture.sha256
    assert read(http, picture.sha256, keys["caller"]) == [200, 200]
    assert http.get(found["links"]["self"], headers=keys["admin"]).status_code == 404
    assert http.post(found["links"]["refuse"], headers=keys["admin"]).status_code == 404


def test_a_refusal_over_http(http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]]) -> None:
    url = f"/v1/reviews/{JOB}/refuse"
    refused = http.post(url, params={"reason": "No stars."}, headers=keys["admin"]).json()
    assert (refused["state"], refused["error"]["code"]) == ("failed", "policy_refused")
    job = http.get(f"/v1/jobs/{JOB}", headers=keys["caller"]).json()
    assert job["error"]["message"] == "Refused by a reviewer: No stars."
    assert read(http, picture.sha256, keys["admin"]) == [404, 404]


@pytest.mark.parametrize("way", ["release", "refuse"])
def test_the_page_of_reviews(
    http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]], way: str
) -> None:
    page = http.get("/reviews", headers=keys["admin"])
    assert f"/v1/reviews/{JOB}/files/{picture.sha256}" in page.text
    assert "待审核的结果" in http.get("/reviews", headers={**keys["admin"], "Accept-Language": "zh"}).text
    answer = http.post(f"/reviews/{JOB}/{way}", headers=keys["admin"], data={"reason": ""})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/reviews")
    assert picture.sha256 not in http.get("/reviews", headers=keys["admin"]).text
    state = http.get(f"/v1/jobs/{JOB}", headers=keys["caller"]).json()["state"]
    assert state == {"release": "succeeded", "refuse": "failed"}[way]


def test_reviewers_see_in_the_navigation_that_results_wait(
    http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]]
) -> None:
    link = re.compile(r'<a href="/reviews"[^>]*>Reviews <span class="number">1</span></a>')
    for place in ("/", "/gallery", "/workers", f"/jobs/{JOB}", "/reviews"):
        assert link.search(http.get(place, headers=keys["admin"]).text), place
    assert '"/reviews"' not in http.get("/", headers=keys["caller"]).text
    http.post(f"/v1/reviews/{JOB}/release", headers=keys["admin"])
    assert "Reviews" not in http.get("/", headers=keys["admin"]).text
    assert 'aria-current="page">Reviews<' in http.get("/reviews", headers=keys["admin"]).text


def test_the_page_of_reviews_in_chinese(
    http: TestClient, picture: Artifact, keys: dict[str, dict[str, str]]
) -> None:
    page = http.get("/reviews", headers={**keys["admin"], "Accept-Language": "zh"}).text
    assert "随机种子" in page
    assert "image 0" not in page
    assert REASON.replace("<", "&lt;").replace(">", "&gt;") in page


ODD = "a?b#c;d \"<e>'&f=g"


@pytest.mark.parametrize("way", ["page", "links", "command"])
def test_a_result_of_a_job_with_any_id_is_released(
    own: Settings, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Foreign programs choose the ids of bare messages."""
    held_result(own, ODD)
    with gateway(own, follow_redirects=False) as http:
        if way == "page":
            page = http.get("/reviews").text
            for path in re.findall(r'(?:href|src)="(/(?:v1/reviews|jobs)/[^"]+)"', page):
                assert http.get(html.unescape(path)).status_code == 200
            (path,) = re.findall(r'action="([^"]+/release)"', page)
            assert http.post(html.unescape(path)).status_code == 303
        elif way == "links":
            (review,) = http.get("/v1/reviews").json()["reviews"]
            assert http.get(review["links"]["self"]).json()["job_id"] == ODD
            assert http.get(review["links"]["file:0"]).content == png("red")
            job = http.post(review["links"]["release"]).json()
            assert http.get(job["links"]["self"]).json()["id"] == ODD
    if way == "command":
        with reached(own, "gateway", monkeypatch, key(own, "ops", [Scope.ADMIN])):
            # A test client would decode this twice.
            held_result(own, f"{ODD}%2F")
            for name in (ODD, f"{ODD}%2F"):
                assert run(capsys, "review", "show", name)[0] == 0
                assert run(capsys, "review", "release", name)[0] == 0
    with Client(settings=own) as client:
        assert client.get(ODD).result is not None


def test_clients_and_event_streams(own: Settings, picture: Artifact) -> None:
    with Listening(own) as listening:
        for client in (Client(listening.address), Client(settings=own)):
            with client:
                job = client.wait(JOB, timeout_s=5)
                assert (job.state, job.result) == (JobState.SUCCEEDED, None)
                with pytest.raises(ResultHeld, match="It shows a"):
                    job.raise_for_state()
        with events(listening.address, JOB) as stream:
            told = [event["data"] for event in iter(stream.next, None)]
        assert told
        assert not [data for data in told if picture.sha256 in data]


def test_a_celery_program_waits_for_the_review(own: Settings, picture: Artifact) -> None:
    from brushwork_core.ledger.held_results import HeldResults

    address = own.database_url.get_secret_value()
    app = Celery(broker="memory://", backend=f"brushwork+{address}")
    app.conf.result_backend_transport_options = {"own_results": "cache+memory://"}
    result = app.AsyncResult(JOB)
    assert (result.state, result.ready()) == ("STARTED", False)
    HeldResults(Database(address)).refuse(JOB, "No.")
    again = app.AsyncResult(JOB)
    assert again.state == "FAILURE"
    assert isinstance(again.result, JobFailed)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


@pytest.mark.parametrize("over", ["database", "gateway"])
def test_the_command_line(
    own: Settings,
    picture: Artifact,
    over: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with reached(own, over, monkeypatch, key(own, "ops", [Scope.ADMIN])):
        status, shown = run(capsys, "show", JOB)
        assert (status, "waits for a review" in shown, picture.sha256 in shown) == (0, True, False)
        status, shown = run(capsys, "wait", JOB)
        assert status
        assert picture.sha256 not in shown
        listed: Any = json.loads(run(capsys, "review", "list", "--json")[1])
        assert [(each["id"], each["policy"]) for each in listed] == [(JOB, "no-stars")]
        assert listed[0].keys() == {
            "id", "kind", "model", "tenant", "request", "result", "policy", "reason", "since",
        }  # fmt: skip
        assert REASON in run(capsys, "review", "list")[1].replace("\n", " ")
        assert run(capsys, "review", "show", JOB, "--save", str(tmp_path / "saved"))[0] == 0
        assert (tmp_path / "saved" / f"{JOB}-0.png").read_bytes() == png("red")
        (tmp_path / "file").write_text("")
        status, shown = run(capsys, "review", "show", JOB, "--save", str(tmp_path / "file"))
        assert (status != 0, "cannot write to" in shown) == (True, True)
        assert run(capsys, "review", "release", JOB)[0] == 0
        assert picture.sha256 in run(capsys, "show", JOB, "--json")[1]
        for command in ("refuse", "release", "show"):
            status, shown = run(capsys, "review", command, JOB)
            assert status
            assert "No job" in shown
    found = [event.action for event in AuditLog(Database(own.database_url.get_secret_value())).events()]
    assert {"job.read", "result.released"} <= set(found)


@pytest.mark.parametrize("over", ["database", "gateway"])
def test_a_refusal_on_the_command_line(
    own: Settings,
    picture: Artifact,
    over: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with reached(own, over, monkeypatch, key(own, "ops", [Scope.ADMIN])):
        assert run(capsys, "review", "refuse", JOB, "--reason", "No & stars, 请换.")[0] == 0
        job = json.loads(run(capsys, "show", JOB, "--json")[1])
    assert job["error"]["message"] == "Refused by a reviewer: No & stars, 请换."


def test_a_key_without_the_scope_reviews_nothing_on_the_command_line(
    own: Settings, picture: Artifact, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with reached(own, "gateway", monkeypatch, key(own, "acme")):
        for arguments in (("list",), ("show", JOB), ("release", JOB), ("refuse", JOB)):
            status, shown = run(capsys, "review", *arguments)
            assert status
            assert "admin" in shown
            assert picture.sha256 not in shown
        assert "contains a slash" in run(capsys, "review", "release", "a/../b")[1]


@contextmanager
def reached(own: Settings, over: str, monkeypatch: pytest.MonkeyPatch, secret: str) -> Iterator[None]:
    """The environment of a command that reaches the service in this way."""
    if over == "gateway":
        with Listening(own) as listening:
            monkeypatch.setenv("BRUSHWORK_URL", listening.address)
            monkeypatch.setenv("BRUSHWORK_API_KEY", secret)
            yield
        return
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", own.database_url.get_secret_value())
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", own.artifacts_url)
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", own.redis_url.get_secret_value())
    yield
