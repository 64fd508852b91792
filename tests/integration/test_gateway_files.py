"""Files by HTTP: brought, fetched whole and in parts, and seen by nobody else."""

import hashlib
from collections.abc import Iterator

import pytest
from brushwork_core.access.api_keys import Scope
from brushwork_core.media.pictures import decode
from brushwork_core.settings.settings import Settings
from starlette.testclient import TestClient

from tests.clients import png
from tests.gateways import bearer, gateway, key

pytestmark = pytest.mark.one_database(
    "TenantFiles is tested on both, and test_gateway_routes calls every route on both"
)
PNG = {"Content-Type": "image/png"}
PICTURE = png()
NAME = hashlib.sha256(PICTURE).hexdigest()
HERE = f"/v1/files/{NAME}"


@pytest.fixture
def http(settings: Settings) -> Iterator[TestClient]:
    """A gateway that has a picture."""
    with gateway(settings) as client:
        assert client.post("/v1/files", content=PICTURE, headers=PNG).status_code == 201
        yield client


def test_a_picture_is_found_by_the_sha256_of_its_bytes(http: TestClient) -> None:
    answer = http.post("/v1/files", content=PICTURE, headers=PNG)
    assert answer.status_code == 201
    assert answer.headers["Location"] == HERE
    assert answer.json() == {
        "sha256": NAME, "media_type": "image/png", "size_bytes": len(PICTURE), "width": 16, "height": 8,
        "pixels_sha256": None, "unsigned_sha256": None, "signed_by": None,
    }  # fmt: skip
    assert http.get(HERE).content == PICTURE


def test_a_form_brings_a_picture_too(http: TestClient) -> None:
    answer = http.post("/v1/files", files={"file": ("any.name", PICTURE, "text/plain")})
    assert answer.status_code == 201
    assert answer.json()["sha256"] == NAME


def test_metadata_does_not_stay(http: TestClient) -> None:
    with_a_place = png(exif=b"Exif\0\0GPS 52.5 13.4")
    name = http.post("/v1/files", content=with_a_place, headers=PNG).json()["sha256"]
    kept = http.get(f"/v1/files/{name}").content
    assert b"GPS" not in kept
    assert decode(kept).tobytes() == decode(with_a_place).tobytes()


def test_what_a_browser_is_told_of_a_file(http: TestClient) -> None:
    headers = http.get(HERE).headers
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Length"] == str(len(PICTURE))
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Content-Disposition"].startswith("inline;")
    assert http.get(HERE, params={"download": True}).headers["Content-Disposition"].startswith("attachment;")


def test_head_says_the_same_without_the_bytes(http: TestClient) -> None:
    head, got = http.head(HERE), http.get(HERE)
    assert head.content == b""
    # Each request has a name of its own.
    said = [{**answer.headers, "x-request-id": ""} for answer in (head, got)]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-3", slice(0, 4)),
        ("bytes=4-", slice(4, None)),
        ("bytes=-4", slice(-4, None)),
        ("bytes=-99999", slice(None)),
        ("Bytes=10-99999", slice(10, None)),
    ],
)
def test_a_part(http: TestClient, asked: str, part: slice) -> None:
    answer = http.get(HERE, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == PICTURE[part]
    start, end, _ = part.indices(len(PICTURE))
    assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(PICTURE)}"


@pytest.mark.parametrize(
    "asked", ["bytes=99999-", "bytes=5-4", "bytes=-0", "bytes=-", "bytes=a-b", "bytes=--1"]
)
def test_a_part_that_is_not_there(http: TestClient, asked: str) -> None:
    answer = http.get(HERE, headers={"Range": asked})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(PICTURE)}"


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=0-1,3-4", "nonsense"])
def test_what_need_not_be_understood_gives_the_whole(http: TestClient, asked: str) -> None:
    answer = http.get(HERE, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, PICTURE)


def test_who_has_it_already_gets_no_bytes(http: TestClient) -> None:
    etag = http.get(HERE).headers["ETag"]
    assert etag == f'"{NAME}"'
    for known in (etag, f'"other", W/{etag}', "*"):
        answer = http.get(HERE, headers={"If-None-Match": known})
        assert (answer.status_code, answer.content) == (304, b"")
    assert http.get(HERE, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_part_of_another_file_is_the_whole_of_this_one(http: TestClient) -> None:
    headers = {"Range": "bytes=0-3", "If-Range": '"other"'}
    assert http.get(HERE, headers=headers).status_code == 200
    assert http.get(HERE, headers={**headers, "If-Range": f'"{NAME}"'}).status_code == 206


@pytest.mark.parametrize("body", [b"", b"no picture", PICTURE[:40]])
def test_what_is_no_picture_is_refused(http: TestClient, body: bytes) -> None:
    answer = http.post("/v1/files", content=body, headers=PNG)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_image")


@pytest.mark.parametrize("media_type", ["application/json", "image/svg+xml", "text/html", ""])
def test_other_types_are_not_taken(http: TestClient, media_type: str) -> None:
    answer = http.post("/v1/files", content=PICTURE, headers={"Content-Type": media_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_a_form_without_the_file_is_refused(http: TestClient) -> None:
    answer = http.post("/v1/files", files={"picture": ("a.png", PICTURE)})
    assert (answer.status_code, answer.json()["field"]) == (422, "file")


@pytest.mark.parametrize(
    "name", ["a" * 64, "a", NAME.upper(), "..%2f..%2fetc%2fpasswd", "%00" * 64, "a" * 9000]
)
def test_what_is_not_there_is_not_found(http: TestClient, name: str) -> None:
    for method in ("GET", "HEAD"):
        assert http.request(method, f"/v1/files/{name}").status_code == 404
    answer = http.get(f"/v1/files/{name}").json()
    assert answer["code"] in ("file_not_found", "not_found")


def test_a_tenants_file_is_nobody_elses(settings: Settings) -> None:
    mine, other, admin = key(settings, "a"), key(settings, "b"), key(settings, "c", [Scope.ADMIN])
    with gateway(settings) as http:
        assert http.post("/v1/files", content=PICTURE, headers={**PNG, **bearer(mine)}).status_code == 201
        assert http.get(HERE).status_code == 401
        seen = {who: http.get(HERE, headers=bearer(who)).status_code for who in (mine, other, admin)}
        assert seen == {mine: 200, other: 404, admin: 200}
        http.post("/v1/files", content=PICTURE, headers={**PNG, **bearer(other)})
        assert http.get(HERE, headers=bearer(other)).status_code == 200


def test_to_bring_a_file_takes_the_right_to_submit(settings: Settings) -> None:
    reader = key(settings, "a", [Scope.READ])
    with gateway(settings) as http:
        answer = http.post("/v1/files", content=PICTURE, headers={**PNG, **bearer(reader)})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
