"""Every refusal is a problem with a stable code, also those of the web framework and of the HTTP protocol."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brushwork.gateway.application import create_app
from brushwork.gateway.connections.limits import ConnectionLimits
from brushwork.gateway.problems import STATUS, codes_of, status_of
from brushwork_core.settings.settings import Settings
from brushwork_schemas import errors
from brushwork_schemas.errors import BrushworkError, store
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from tests.gateways import settings_at
from tests.live_gateways import Listening

BOUND = 4096
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
PART = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n1\r\n'
OWN = {
    kind.code
    for kind in (*vars(errors).values(), *vars(store).values())
    if isinstance(kind, type) and issubclass(kind, BrushworkError)
}
# Refusals that Starlette, FastAPI or the multipart parser raise, and what their answers must be.
BY_FRAMEWORK: dict[str, tuple[tuple[str, str], dict[str, Any], int, str]] = {
    "unknown path": (("GET", "/v1/nothing"), {}, 404, "not_found"),
    "unknown page": (("GET", "/nothing"), {}, 404, "not_found"),
    "unknown asset": (("GET", "/assets/nothing"), {}, 404, "not_found"),
    "wrong method": (("PUT", "/v1/jobs"), {}, 405, "method_not_allowed"),
    "unknown method": (("BREW", "/v1/jobs"), {}, 405, "method_not_allowed"),
    "form without boundary": (
        ("POST", "/v1/jobs"),
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "bad_request",
    ),
    "form that is no form": (("POST", "/v1/files"), {"content": b"x", "headers": FORM}, 400, "bad_request"),
    "too many fields": (
        ("POST", "/v1/jobs"),
        {"content": "".join(PART.format(number) for number in range(65)) + "--x--", "headers": FORM},
        400,
        "bad_request",
    ),
    "wrong query": (("GET", "/v1/jobs?limit=x"), {}, 422, "invalid_request"),
    "wrong header": (
        ("POST", "/v1/jobs"),
        {"content": b"{}", "headers": {**JSON, "Idempotency-Key": "a b"}},
        422,
        "invalid_request",
    ),
    "wrong type": (("POST", "/v1/jobs"), {"content": b"x"}, 415, "unsupported_media_type"),
    "too large": (("POST", "/v1/jobs"), {"content": b" " * 5000, "headers": JSON}, 413, "payload_too_large"),
    "large headers": (
        ("GET", "/v1/jobs"),
        {"headers": {"X": "x" * 40_000}},
        431,
        "request_header_fields_too_large",
    ),
    "two lengths": (("GET", "/v1/jobs"), {"headers": {"Content-Length": "1, 2"}}, 400, "bad_request"),
    "foreign host": (("GET", "/v1/jobs"), {"headers": {"Host": "evil.example"}}, 403, "forbidden"),
}


@pytest.fixture
def settings(sqlite_url: str, tmp_path: Path) -> Settings:
    return settings_at(sqlite_url, tmp_path, max_upload_bytes=BOUND)


def every_kind(of: type[BrushworkError] = BrushworkError) -> Iterator[type[BrushworkError]]:
    yield of
    for narrower in of.__subclasses__():
        yield from every_kind(narrower)


@pytest.mark.parametrize("name", BY_FRAMEWORK)
def test_a_refusal_of_the_framework_has_a_code(http: TestClient, name: str) -> None:
    (method, path), options, status, code = BY_FRAMEWORK[name]
    answer = http.request(method, path, **options)
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert code in codes_of(status)
    assert problem["detail"].endswith(".")


def test_every_status_of_the_document_has_codes(settings: Settings) -> None:
    app = create_app(settings)
    statuses = {
        int(status)
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        for status in operation["responses"]
        if status.isdecimal() and int(status) >= 400
    }
    assert statuses <= set(STATUS.values())
    assert statuses >= {400, 401, 403, 404, 409, 413, 415, 416, 422, 429, 500, 503}


def test_every_error_has_a_status_of_the_table() -> None:
    assert {status_of(kind("It is wrong.")) for kind in every_kind()} <= set(STATUS.values())
    for status in STATUS.values():
        assert set(codes_of(status)) <= OWN


def test_any_status_of_the_framework_becomes_one_of_the_table(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/refused/{status}")
    def refused(status: int) -> None:
        raise HTTPException(status, "It is refused")

    # Without its services: the guard asks for none of them at a loopback address.
    client = TestClient(app, base_url="http://127.0.0.1")
    for status in range(400, 600):
        answer = client.get(f"/refused/{status}")
        assert answer.status_code in STATUS.values()
        assert answer.status_code // 100 == status // 100
        assert answer.json()["code"] in codes_of(answer.status_code)


def test_a_bug_is_answered_with_a_code(settings: Settings) -> None:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError

    client = TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = client.get("/broken")
    assert (answer.status_code, answer.json()["code"], answer.json()["fault"]) == (500, "internal", "machine")


def raw_problem(address: str, sent: bytes) -> tuple[bytes, dict[str, Any]]:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, json.loads(body)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
        (
            b"GET / HTTP/1.1\r\nX: " + b"x" * (ConnectionLimits().head_bytes + 10),
            431,
            "request_header_fields_too_large",
        ),
    ],
)
def test_what_is_not_http_is_answered_with_a_code(
    settings: Settings, sent: bytes, status: int, code: str
) -> None:
    with Listening(settings) as gateway:
        head, problem = raw_problem(gateway.address, sent)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/problem+json" in head
    assert (problem["status"], problem["code"], problem["fault"]) == (status, code, "caller")
