"""JSON as HTTP clients really send it: with a byte order mark, and under other names."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.gateways import gateway, settings_at

pytestmark = pytest.mark.one_database("bodies are read before any statement")

DRAW = {"kind": "text-to-image", "prompt": "红色的圆 é"}
TEXT = json.dumps(DRAW, ensure_ascii=False)
ENCODED = {"with a mark": codecs.BOM_UTF8 + TEXT.encode(), "without a mark": TEXT.encode()}
NAMES = (
    "application/json; charset=utf-8",
    "APPLICATION/JSON;charset=UTF-8",
    "application/merge-patch+json",
    "application/vnd.api+json; version=1",
    "application/ld+json",
)
WRONG = {
    "Latin-1": (TEXT.replace("红色的圆", "").encode("latin-1"), "not UTF-8: byte"),
    "UTF-16 LE with a mark": (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "is UTF-16"),
    "UTF-16 BE with a mark": (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "is UTF-16"),
    "UTF-32 LE with a mark": (codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"), "is UTF-32"),
    "UTF-16 without a mark": ('{"kind": "x"}'.encode("utf-16-le"), "not UTF-8"),
    "a mark alone": (codecs.BOM_UTF8, "is empty"),
    "nothing": (b"", "is empty"),
    "blanks": (b" \r\n", "is empty"),
    "two marks": (codecs.BOM_UTF8 * 2 + TEXT.encode(), "not valid JSON"),
}


@pytest.fixture
def http(sqlite_url: str, tmp_path: Path) -> Iterator[TestClient]:
    with gateway(settings_at(sqlite_url, tmp_path)) as http:
        yield http


@pytest.mark.parametrize("name", ENCODED)
def test_a_byte_order_mark_is_understood(http: TestClient, name: str) -> None:
    answer = http.post("/v1/jobs", content=ENCODED[name], headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["request"]["prompt"] == DRAW["prompt"]


@pytest.mark.parametrize("name", NAMES)
def test_json_has_several_names(http: TestClient, name: str) -> None:
    own = {"Content-Type": name}
    answer = http.post("/v1/jobs", content=TEXT.encode(), headers=own)
    assert answer.status_code == 201, answer.text
    batch = {"template": DRAW, "product": {"seed": [1]}}
    assert http.post("/v1/jobs:batch", content=json.dumps(batch).encode(), headers=own).status_code == 201


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_the_bytes_is_told(http: TestClient, name: str) -> None:
    content, words = WRONG[name]
    answer = http.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (422, "invalid_request", "body")
    assert words in problem["detail"]


def test_a_form_may_have_a_mark(http: TestClient) -> None:
    answer = http.post("/v1/jobs", files={"request": (None, codecs.BOM_UTF8 + TEXT.encode())})
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "name", ["text/plain", "text/json", "application/jsonp", "application/+json", "json", "a/b+json+xml"]
)
def test_what_is_not_json_stays_refused(http: TestClient, name: str) -> None:
    answer = http.post("/v1/jobs", content=TEXT.encode(), headers={"Content-Type": name})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_retry_without_changes_may_name_a_type(http: TestClient) -> None:
    job = http.post("/v1/jobs", json=DRAW).json()["id"]
    http.post(f"/v1/jobs/{job}/cancel")
    for headers in ({"Content-Type": "application/json"}, {}):
        again = http.post(f"/v1/jobs/{job}/retry", content=b"", headers=headers)
        assert (again.status_code, again.json()["retry_of"]) == (201, job)
