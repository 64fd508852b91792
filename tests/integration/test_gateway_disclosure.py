"""No answer names an inner address, a path, or what another program says: the log has it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from brushwork.gateway.application import create_app
from brushwork.page.pages import PAGE
from brushwork.webhooks.payload import payload
from brushwork_core.access.api_keys import ID_BYTES, PREFIX, SECRET_BYTES, Scope
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ModelUnavailable, ServiceUnreachable
from brushwork_schemas.job import JobError
from brushwork_schemas.wording.phrase import private, said
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import HERE, bearer, gateway, key, settings_at
from tests.jobs import KIND, begun, new_job

pytestmark = pytest.mark.one_database("what is hidden does not depend on the database")
INNER = ("127.0.0.1:1", "port 1", "inner_name", "inner_user", "hunter2", "/proc/", "10.1.2.3", "/srv/")
STORE = "error sending request for url (http://10.1.2.3:9000/bucket/ab)"
JOB = "a" * 8
# A key that only the database can tell from a valid one.
UNKNOWN = f"{PREFIX}_{'0' * 2 * ID_BYTES}_{'0' * 2 * SECRET_BYTES}"


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A gateway whose database refuses connections."""
    url = "postgresql+psycopg://inner_user:hunter2@127.0.0.1:1/inner_name"
    app = create_app(settings_at(url, tmp_path_factory.mktemp("away")), PAGE)
    with TestClient(app, base_url=HERE) as http:
        yield http


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/readyz"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/x/events"),
        ("POST", "/v1/jobs"),
        ("POST", "/v1/jobs:batch"),
        ("POST", "/v1/files"),
        ("GET", f"/v1/files/{'0' * 64}"),
        ("GET", "/v1/workers"),
        ("GET", "/"),
        ("GET", "/gallery"),
        ("POST", "/login"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_absent_database_is_not_described(
    away: TestClient, caplog: pytest.LogCaptureFixture, method: str, path: str, language: str
) -> None:
    headers = {"Accept-Language": language, "Accept": "text/html, application/json"}
    with caplog.at_level(logging.WARNING):
        answer = away.request(
            method, path, headers=headers, data={"key": UNKNOWN} if path == "/login" else None
        )
    assert answer.status_code == 503, answer.text
    assert [place for place in INNER if place in answer.text or place in str(answer.headers)] == []
    # What the operator needs stands in the log.
    assert "port 1 failed" in caplog.text
    assert "hunter2" not in caplog.text


def test_metrics_tell_what_they_know_without_a_database_and_no_place(away: TestClient) -> None:
    answer = away.get("/metrics")
    assert 'brushwork_up{service="database"} 0.0' in answer.text
    assert [place for place in INNER if place in answer.text] == []


def _failed(database: Database, error: ServiceUnreachable | ModelUnavailable) -> None:
    ledger = Ledger(database, lease_s=600)
    ledger.submit([new_job(JOB, tenant="mine")])
    ledger.fail(JOB, begun(ledger, JOB), JobError.of(error))


ERRORS = [
    ServiceUnreachable(said("Cannot write to the artifact store: {first_line}.", first_line=private(STORE))),
    # As a plug-in, or a worker of an older version, says it.
    ServiceUnreachable(f"Cannot write to the artifact store: {STORE}."),
    ModelUnavailable(
        said(
            "Model {model} cannot be loaded: {error}.", model="m", error="No such file: '/srv/models/m.bin'"
        ),
        hint="Look into /srv/models/m.",
    ),
]


@pytest.mark.parametrize("error", ERRORS)
def test_the_error_of_a_job_names_no_place(
    settings: Settings, database: Database, error: ServiceUnreachable
) -> None:
    _failed(database, error)
    mine, admin = (bearer(key(settings, *of)) for of in (("mine", [Scope.READ]), ("", [Scope.ADMIN])))
    with gateway(settings) as http:
        shown = [
            http.get(path, headers=mine).text
            for path in (f"/v1/jobs/{JOB}", "/v1/jobs", f"/v1/jobs/{JOB}/events", f"/jobs/{JOB}", "/gallery")
        ]
        assert all(JOB in each for each in shown)
        operator = http.get(f"/v1/jobs/{JOB}", headers=admin).json()["error"]
    shown.append(payload(JobIndex(database).get(JOB)).model_dump_json())
    assert [(place, each) for place in INNER for each in shown if place in each] == []
    # An operator reads all of it, and so does whoever reads the ledger itself.
    assert operator["message"] == error.message
    assert JobIndex(database).get(JOB).error == JobError.of(error)


def test_a_store_that_is_away_at_a_submit_is_not_described(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "artifacts"
    with gateway(settings) as http:
        # A file in place of the folder: no part of the store can be written.
        for each in sorted(store.rglob("*"), reverse=True):
            each.rmdir()
        store.rmdir()
        store.write_text("")
        with caplog.at_level(logging.WARNING):
            answer = http.post("/v1/files", content=png(), headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (503, "store_misconfigured")
    assert str(tmp_path) not in answer.text
    assert "POST /v1/files was answered with store_misconfigured" in caplog.text


def test_what_a_refused_address_leads_to_is_not_said(settings: Settings) -> None:
    allowed = settings.model_copy(update={"image_addresses": True})
    body = {"kind": "image-to-text", "image": "http://localhost/picture.png"}
    with gateway(allowed) as http:
        answer = http.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")
    assert "127.0.0.1" not in answer.text
    assert "::1" not in answer.text
    assert KIND not in answer.text
