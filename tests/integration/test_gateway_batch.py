"""Many jobs by one request: listed, or a template with what differs; all or none."""

import base64
import io
import tracemalloc
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

pytestmark = pytest.mark.one_database(
    "the ledger is tested on both, and test_gateway_routes calls every route on both"
)

DRAW = {"kind": "text-to-image", "prompt": "x"}
BARE = {"kind": "text-to-image"}
HERE = "/v1/jobs:batch"


def asked(answer: Any) -> list[tuple[str, int]]:
    assert answer.status_code == 201, answer.text
    return [(job["request"]["prompt"], job["request"]["seed"]) for job in answer.json()["jobs"]]


def test_requests_in_their_order(http: TestClient) -> None:
    requests = [{**DRAW, "prompt": f"p{number}", "seed": number} for number in range(1000)]
    answer = http.post(HERE, json={"requests": requests})
    assert asked(answer) == [(f"p{number}", number) for number in range(1000)]


def test_each_with_each(http: TestClient) -> None:
    lists = {"prompt": ["a", "b"], "seed": [1, 2, 3]}
    answer = http.post(HERE, json={"template": BARE, "product": lists})
    assert asked(answer) == [(prompt, seed) for prompt in "ab" for seed in (1, 2, 3)]


def test_one_with_one(http: TestClient) -> None:
    answer = http.post(HERE, json={"template": BARE, "zip": {"prompt": ["a", "b"], "seed": [1, 2]}})
    assert asked(answer) == [("a", 1), ("b", 2)]


def test_repeated_keys_get_the_jobs_that_are_there(http: TestClient) -> None:
    body = {"template": {**DRAW, "seed": 1}, "zip": {"idempotency_key": ["a", "b", "a"]}}
    first, second = http.post(HERE, json=body), http.post(HERE, json=body)
    ids = [[job["id"] for job in answer.json()["jobs"]] for answer in (first, second)]
    assert (first.status_code, second.status_code) == (201, 200)
    assert ids[0] == ids[1]
    assert ids[0][0] == ids[0][2] != ids[0][1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "requests"),
        ({"requests": []}, "requests"),
        ({"requests": [DRAW] * 1001}, "requests"),
        ({"requests": DRAW}, "requests"),
        ({"requests": [DRAW], "template": DRAW}, "requests"),
        ({"template": DRAW}, "requests"),
        ({"template": [], "product": {"seed": [1]}}, "template"),
        ({"template": DRAW, "product": {"seed": []}}, "product.seed"),
        ({"template": DRAW, "product": {"seed": 5}}, "product.seed"),
        ({"template": DRAW, "product": {}}, "product"),
        ({"template": BARE, "product": {"seed": [1] * 40, "prompt": ["x"] * 26}}, "product"),
        ({"template": BARE, "zip": {"seed": [1, 2], "prompt": ["x"]}}, "zip"),
        ({"template": DRAW, "zip": {"prompt": ["x"]}}, "template"),
        ({"template": DRAW, "zip": {"seed": [1] * 1001}}, "zip"),
        ({"template": DRAW, "product": {"seed": [1]}, "zip": {"seed": [1]}}, "requests"),
        ({"requests": [DRAW], "more": 1}, "more"),
        ({"requests": [DRAW, {**DRAW, "prompt": 5}]}, "requests[1].prompt"),
        ({"requests": [{**DRAW, "sed": 5}]}, "requests[0].sed"),
        ({"requests": [DRAW, 5]}, "requests[1]"),
        ({"requests": [DRAW, {**DRAW, "priority": "x"}]}, "requests[1].priority"),
        ({"requests": [DRAW, {"kind": "image-to-text", "image": "/etc/passwd"}]}, "requests[1].image"),
        ({"template": DRAW, "zip": {"seed": [1, 2, -3]}}, "requests[2].seed"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_accepted(
    door: TestClient, body: dict[str, Any], field: str
) -> None:
    answer = door.post(HERE, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert door.get("/v1/jobs").json()["jobs"] == []


def test_forms_are_for_single_jobs(http: TestClient) -> None:
    answer = http.post(HERE, data={"kind": "text-to-image"}, files={"image": ("x", b"")})
    assert answer.status_code == 415


def test_the_picture_of_a_template_is_held_once(http: TestClient) -> None:
    file = io.BytesIO()
    Image.effect_noise((1500, 1000), 90).save(file, "PNG")
    assert len(file.getvalue()) > 2**20
    image = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    template = {"kind": "image-classification", "image": image}
    tracemalloc.start()
    try:
        answer = http.post(HERE, json={"template": template, "product": {"top_k": [1, 2] * 50}})
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status_code == 201
    (name,) = {job["request"]["image"] for job in answer.json()["jobs"]}
    assert len(answer.json()["jobs"]) == 100
    assert http.head(f"/v1/files/{name}").headers["Content-Length"] == str(len(file.getvalue()))
    assert most_bytes < 50 * len(file.getvalue())


def test_a_batch_with_a_key_is_accepted_once(http: TestClient) -> None:
    requests = [{**DRAW, "prompt": f"p{number}"} for number in range(3)]
    requests[1]["idempotency_key"] = "own"
    headers = {"Idempotency-Key": "order"}
    first = http.post(HERE, json={"requests": requests}, headers=headers)
    second = http.post(HERE, json={"requests": requests}, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert [job["id"] for job in first.json()["jobs"]] == [job["id"] for job in second.json()["jobs"]]
    assert [job["idempotency_key"] for job in first.json()["jobs"]] == ["order#0", "own", "order#2"]
    assert len(http.get("/v1/jobs").json()["jobs"]) == 3


@pytest.mark.parametrize(
    "other",
    [
        [{**DRAW, "prompt": "p0"}, {**DRAW, "prompt": "other"}],
        [{**DRAW, "prompt": "p0"}],
        [{**DRAW, "prompt": f"p{number}"} for number in range(3)],
        [{**DRAW, "prompt": "p1"}, {**DRAW, "prompt": "p0"}],
        [{**DRAW, "kind": "image-to-image", "image": "0" * 64}, {**DRAW, "prompt": "p1"}],
    ],
)
def test_the_key_of_another_batch_is_refused(http: TestClient, other: list[dict[str, Any]]) -> None:
    headers = {"Idempotency-Key": "order"}
    requests = [{**DRAW, "prompt": f"p{number}"} for number in range(2)]
    assert http.post(HERE, json={"requests": requests}, headers=headers).status_code == 201
    answer = http.post(HERE, json={"requests": other}, headers=headers)
    assert answer.status_code in (409, 422), answer.text
    assert len(http.get("/v1/jobs").json()["jobs"]) == 2
