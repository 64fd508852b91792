"""The guard: foreign names, foreign pages, bodies beyond the bound, and the headers of every answer."""

from pathlib import Path

import pytest
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.gateways import bearer, gateway, key, settings_at

BOUND = 4096
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    """Nothing here needs Redis."""
    return settings_at(sqlite_url, tmp_path, max_upload_bytes=BOUND)


@pytest.mark.parametrize("host", ["localhost", "localhost:8600", "127.0.0.1:1", "[::1]:8600", "127.8.9.1"])
def test_own_names_pass(http: TestClient, host: str) -> None:
    assert http.get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8600", "10.0.0.1", "", "[::1", "a@b"],
)
def test_without_keys_a_foreign_name_is_refused(http: TestClient, host: str) -> None:
    answer = http.get("/v1/jobs", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert http.get("/healthz", headers={"Host": host}).status_code == 200


def test_with_keys_any_name_will_do(settings: Settings) -> None:
    headers = bearer(key(settings))
    with gateway(settings) as http:
        assert http.get("/v1/jobs", headers={**headers, "Host": "brushwork.example"}).status_code == 200
        assert http.get("/v1/jobs", headers={"Host": "brushwork.example"}).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8600.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_somebody_else_changes_nothing(http: TestClient, headers: dict[str, str]) -> None:
    body = {"kind": "text-to-image", "prompt": "x"}
    answer = http.post("/v1/jobs", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert http.get("/v1/jobs").json()["jobs"] == []


def test_its_own_page_and_programs_may(http: TestClient) -> None:
    body = {"kind": "text-to-image", "prompt": "x"}
    own = {"Origin": "http://127.0.0.1:8600", "Sec-Fetch-Site": "same-origin"}
    assert http.post("/v1/jobs", json=body, headers=own).status_code == 201
    assert http.post("/v1/jobs", json=body).status_code == 201


def test_a_key_in_the_header_is_no_browsers_doing(settings: Settings) -> None:
    headers = bearer(key(settings)) | {"Origin": "http://evil.example"}
    with gateway(settings) as http:
        answer = http.post("/v1/jobs", json={"kind": "text-to-image", "prompt": "x"}, headers=headers)
        assert answer.status_code == 201


def test_a_key_in_a_cookie_may_be(settings: Settings) -> None:
    cookie = {"Cookie": f"brushwork_key={key(settings)}"}
    body = {"kind": "text-to-image", "prompt": "x"}
    with gateway(settings) as http:
        foreign = http.post("/v1/jobs", json=body, headers={**cookie, "Origin": "http://evil.example"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "forbidden")
        assert http.post("/v1/jobs", json=body, headers=cookie).status_code == 201


@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/v1/jobs:batch", "/v1/files", "/v1/jobs/x/retry", "/v1/nothing"]
)
@pytest.mark.parametrize("announced", [True, False])
def test_too_much_is_refused(http: TestClient, path: str, announced: bool) -> None:
    pieces = [b" " * 1000] * 9
    answer = http.post(path, content=b"".join(pieces) if announced else iter(pieces), headers=JSON)
    assert answer.headers["Content-Type"] == "application/problem+json"
    if announced or path != "/v1/nothing":
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
        assert answer.headers["Connection"] == "close"
    else:
        assert answer.status_code == 404


def test_as_much_as_is_allowed_is_read(http: TestClient) -> None:
    answer = http.post("/v1/jobs", content=b" " * BOUND, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "identity, gzip"])
def test_compressed_bodies_are_not_unpacked(http: TestClient, encoding: str) -> None:
    answer = http.post("/v1/jobs", content=b"x", headers={**JSON, "Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_long_headers_are_refused(http: TestClient) -> None:
    answer = http.get("/v1/jobs", headers={"X": "x" * 40_000})
    assert (answer.status_code, answer.json()["code"]) == (431, "request_header_fields_too_large")


@pytest.mark.parametrize("path", ["/healthz", "/v1/jobs", "/v1/jobs/none", "/nowhere"])
def test_every_answer_is_safe_to_show(http: TestClient, path: str) -> None:
    headers = http.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
