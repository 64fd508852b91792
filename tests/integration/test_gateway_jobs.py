"""Jobs by HTTP: submitted as JSON and by forms, repeated, canceled and run again; pictures never by path."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import JobError
from starlette.testclient import TestClient

from tests.clients import num_rows, png
from tests.gateways import bearer, gateway, key

pytestmark = pytest.mark.one_database(
    "the ledger is tested on both, and test_gateway_routes calls every route on both"
)
PNG = {"Content-Type": "image/png"}
DRAW: dict[str, Any] = {"kind": "text-to-image", "prompt": "a red circle", "seed": 7}
LOOK: dict[str, Any] = {"kind": "image-classification"}
AS_DATA = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    opened = Database(settings.database_url.get_secret_value())
    yield Ledger(opened, lease_s=600)
    opened.close()


def accepted(http: TestClient, body: dict[str, Any] = DRAW, **headers: str) -> dict[str, Any]:
    answer = http.post("/v1/jobs", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_job_is_accepted_and_found_where_the_answer_says(http: TestClient) -> None:
    answer = http.post("/v1/jobs", json=DRAW)
    job = answer.json()
    assert (answer.status_code, job["state"]) == (201, "queued")
    assert answer.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    found = http.get(answer.headers["Location"]).json()
    # The outlook is for later, and the warnings are about the submit.
    stored = [name for name in job if name not in ("outlook", "warnings")]
    assert {name: found[name] for name in stored} == {name: job[name] for name in stored}
    assert found["request"]["width"] == 64


@pytest.mark.parametrize("image", [AS_DATA, "a file"])
def test_a_picture_in_the_body_or_brought_before(http: TestClient, image: str) -> None:
    if image == "a file":
        image = http.post("/v1/files", content=png(), headers=PNG).json()["sha256"]
    job = accepted(http, {**LOOK, "image": image, "top_k": 3})
    assert http.get(f"/v1/files/{job['request']['image']}").content == png()


FIELDS = {
    "kind": "image-to-text",
    "prompt": "7",
    "max_new_tokens": "9",
    "deterministic": "true",
    "group": "1",
}


@pytest.mark.parametrize("as_json", [True, False])
def test_a_form_with_the_picture_as_a_file(http: TestClient, as_json: bool) -> None:
    whole = {**FIELDS, "max_new_tokens": 9, "deterministic": True}
    fields = {"request": json.dumps(whole)} if as_json else FIELDS
    answer = http.post("/v1/jobs", data=fields, files={"image": ("x", png())})
    assert answer.status_code == 201, answer.text
    job = answer.json()
    asked = {name: job["request"][name] for name in ("prompt", "max_new_tokens", "deterministic")}
    assert asked == {"prompt": "7", "max_new_tokens": 9, "deterministic": True}
    assert job["group"] == "1"
    assert http.get(f"/v1/files/{job['request']['image']}").content == png()


@pytest.mark.parametrize(
    ("fields", "files", "field"),
    [
        ({"kind": "image-classification", "top_k": "three"}, ["image"], "top_k"),
        ({"kind": "image-classification", "request": "{}"}, ["image"], "kind"),
        ({"request": "[]"}, ["image"], "body"),
        ({"kind": "image-classification"}, ["picture"], "picture"),
        ({"kind": "image-classification", "image": AS_DATA}, ["image"], "image"),
    ],
)
def test_a_form_that_makes_no_sense(
    door: TestClient, fields: dict[str, str], files: list[str], field: str
) -> None:
    answer = door.post("/v1/jobs", data=fields, files={name: ("x", png()) for name in files})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


@pytest.mark.parametrize(
    "image",
    [
        "/etc/passwd", "file:///etc/passwd", "../x", "~/x.png", "x.png", "", "/proc/self/environ",
        "data:image/svg+xml;base64,AAAA", "data:image/png;base64,?", "data:image/png,x", "s3://bucket/x",
        "0" * 64, "A" * 64, "0" * 63, 5, 1.5, True, None, [], {}, ["/etc/passwd"], {"path": "/etc/passwd"},
    ],
)  # fmt: skip
def test_no_picture_comes_from_the_gateways_own_machine(door: TestClient, image: Any) -> None:
    for body in (
        {"json": {**LOOK, "image": image}},
        {"data": {**LOOK, "image": str(image)}, "files": {"unused": ("", b"")}},
    ):
        answer = door.post("/v1/jobs", **body)  # type: ignore[arg-type]
        assert answer.status_code == 422
    assert door.post("/v1/jobs", json={**LOOK, "image": image}).json()["code"] == "invalid_image"


def test_addresses_are_off_unless_allowed(door: TestClient) -> None:
    answer = door.post("/v1/jobs", json={**LOOK, "image": "http://127.0.0.1:1/x.png"})
    assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.png", "http://169.254.169.254/", "HTTP://[::1]/"])
def test_addresses_of_inner_networks_are_refused(settings: Settings, address: str) -> None:
    with gateway(settings.model_copy(update={"image_addresses": True})) as http:
        answer = http.post("/v1/jobs", json={**LOOK, "image": address})
        assert (answer.status_code, answer.json()["code"]) == (422, "address_refused")


@pytest.mark.parametrize("how", ["header", "body", "both"])
def test_a_repeated_key_gets_the_first_ones_job(http: TestClient, how: str) -> None:
    headers = {} if how == "body" else {"Idempotency-Key": "k-1"}
    body = DRAW if how == "header" else {**DRAW, "idempotency_key": "k-1"}
    first, second = (http.post("/v1/jobs", json=body, headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["Location"] == first.headers["Location"]
    other = http.post("/v1/jobs", json={**body, "seed": 8}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_the_key_in_the_header_wins(http: TestClient) -> None:
    answer = http.post("/v1/jobs", json={**DRAW, "idempotency_key": "a"}, headers={"Idempotency-Key": "b"})
    assert answer.json()["idempotency_key"] == "b"


def test_a_whole_number_may_be_written_with_a_point(http: TestClient) -> None:
    body = b'{"kind":"text-to-image","prompt":"x","width":64.0,"seed":1e3,"guidance_scale":2.0}'
    answer = http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    request = answer.json()["request"]
    assert (request["width"], request["seed"], request["guidance_scale"]) == (64, 1000, 2.0)


@pytest.mark.parametrize(
    ("header", "kept"),
    [(TRACE, TRACE), (TRACE[:-3], None), (TRACE.replace("4", "0").upper(), None), ("x" * 3000, None)],
)
def test_traceparent_is_kept_if_it_is_one(http: TestClient, header: str, kept: str | None) -> None:
    assert accepted(http, traceparent=header)["traceparent"] == kept


def test_one_job_is_canceled_by_one_of_many(http: TestClient) -> None:
    job = accepted(http)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.post(f"{job['links']['self']}/cancel"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["outcome"] for answer in answers) == ["canceled"] + 7 * ["too_late"]
    assert {answer.json()["job"]["state"] for answer in answers} == {"canceled"}


def test_a_running_job_is_said_to_go_on_for_a_moment(http: TestClient, ledger: Ledger) -> None:
    job = accepted(http)
    assert ledger.claim(job["id"], "worker") is not None
    answer = http.post(job["links"]["cancel"]).json()
    assert (answer["outcome"], answer["job"]["state"]) == ("canceling", "running")
    assert answer["job"]["cancel_requested"]


def test_what_has_ended_is_run_again_with_changes(http: TestClient) -> None:
    job = accepted(http, {**DRAW, "group": "mine"})
    here = job["links"]["self"]
    early = http.post(f"{here}/retry")
    assert (early.status_code, early.json()["code"]) == (409, "job_not_ended")
    http.post(f"{here}/cancel")
    same, other = http.post(f"{here}/retry"), http.post(f"{here}/retry", json={"seed": 8})
    assert (same.status_code, other.status_code) == (201, 201)
    assert same.headers["Location"] == same.json()["links"]["self"] != here
    assert same.json()["request"] == job["request"]
    assert other.json()["request"] == {**job["request"], "seed": 8}
    assert (other.json()["retry_of"], other.json()["group"]) == (job["id"], "mine")


@pytest.mark.parametrize(
    ("changes", "field"), [({"seed": -1}, "seed"), ({"kind": "image-to-text"}, "kind"), ({"sed": 1}, "sed")]
)
def test_wrong_changes_are_refused(http: TestClient, changes: dict[str, Any], field: str) -> None:
    here = accepted(http)["links"]["self"]
    http.post(f"{here}/cancel")
    answer = http.post(f"{here}/retry", json=changes)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_what_a_bare_message_named_is_no_path_either(
    http: TestClient, ledger: Ledger, tmp_path: Path
) -> None:
    (file := tmp_path / "of-this-machine.png").write_bytes(png())
    refused = NewJob(
        id="bare", kind=LOOK["kind"], model="m", label="l", request={"image": str(file)}, max_attempts=1
    )
    ledger.refuse(refused, JobError(code="invalid_image", message="It is none.", fault="caller"))
    answer = http.post("/v1/jobs/bare/retry")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_image")
    assert http.post("/v1/jobs/bare/retry", json={"image": AS_DATA}).status_code == 201


def test_a_retry_may_be_repeated_by_its_key(http: TestClient) -> None:
    here = accepted(http)["links"]["self"]
    http.post(f"{here}/cancel")
    first, second = (http.post(f"{here}/retry", headers={"Idempotency-Key": "again"}) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


def test_another_tenants_things_are_not_there(settings: Settings) -> None:
    mine, other = (bearer(key(settings, name)) for name in ("a", "b"))
    admin = bearer(key(settings, "c", [Scope.ADMIN]))
    with gateway(settings) as http:
        job = http.post("/v1/jobs", json={**LOOK, "image": AS_DATA}, headers=mine).json()
        assert job["tenant"] == "a"
        here, image = job["links"]["self"], job["request"]["image"]
        for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/events")):
            answer = http.request(method, here + path, headers=other)
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
        assert http.get(here, headers=admin).status_code == 200
        stolen = http.post("/v1/jobs", json={**LOOK, "image": image}, headers=other)
        assert (stolen.status_code, stolen.json()["code"]) == (422, "invalid_image")
        assert http.post("/v1/jobs", json={**LOOK, "image": image}, headers=mine).status_code == 201


def test_a_key_works_for_its_own_tenant_alone(settings: Settings) -> None:
    mine, admin = bearer(key(settings, "a")), bearer(key(settings, "c", [Scope.ADMIN]))
    with gateway(settings) as http:
        assert http.post("/v1/jobs", json={**DRAW, "tenant": "a"}, headers=mine).json()["tenant"] == "a"
        assert http.post("/v1/jobs", json={**DRAW, "tenant": "b"}, headers=admin).json()["tenant"] == "b"
        for tenant in ("b", "", 5, ["a"]):
            answer = http.post("/v1/jobs", json={**DRAW, "tenant": tenant}, headers=mine)
            assert (answer.status_code, answer.json()["field"]) == (422, "tenant")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"5", b'"x"', b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b'{"seed":NaN}',
        b'{"seed":Infinity}', b'{"seed":1e999}', b'{"seed":' + b"1" * 9999 + b"}", b'{"prompt":"\\ud800"}',
        b'{"kind":"text-to-image","kind":"image-to-text"}', b'{"kind":"text-to-image"} {}',
        "{}".encode("utf-16"), b"\xef\xbb\xbf",
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(door: TestClient, body: bytes) -> None:
    answer = door.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/xml", "application/x-www-form-urlencoded"]
)
def test_other_types_are_not_taken(door: TestClient, media_type: str) -> None:
    answer = door.post("/v1/jobs", content=json.dumps(DRAW), headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_nothing_is_written_for_what_is_refused(http: TestClient, settings: Settings) -> None:
    assert http.post("/v1/jobs", json={**LOOK, "image": AS_DATA, "top_k": 0}).status_code == 422
    database = Database(settings.database_url.get_secret_value())
    assert num_rows(database) == (0, 0)
    database.close()
