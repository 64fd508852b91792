"""Some 500 bad requests to a real `brushwork gateway`: each refused with a code, nothing stays of them."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from tests.chaos.bombs import all_bombs
from tests.clients import num_rows, png
from tests.gateways import GatewayServer, bearer, key, settings_at
from tests.hostile import HARMLESS, Bad, bad_requests
from tests.servers import RedisServer

BAD = bad_requests()
MOST_GROWTH_BYTES = 48 * 2**20
ROUNDS = 1
ANSWER_S = 30.0
GET, POST = (f"{method} /v1/jobs HTTP/1.1\r\nHost: localhost\r\n".encode() for method in ("GET", "POST"))
RAW = {
    "no Host": b"GET /v1/jobs HTTP/1.1\r\n\r\n",
    "two Hosts": GET + b"Host: evil.example\r\n\r\n",
    "Content-Length is no number": POST + b"Content-Length: x\r\n\r\n",
    "Content-Length is negative": POST + b"Content-Length: -1\r\n\r\n",
    "Content-Length is huge": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "10 TB announced": POST + b"Content-Length: 10995116277760\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "length and chunks": POST + b"Content-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "chunk without size": POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
    "chunk of a huge size": POST + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"f" * 40 + b"\r\n",
    "a line feed in a header": GET + b"X: a\nb: c\r\n\r\n",
    "a folded header": GET + b"X: a\r\n b\r\n\r\n",
    "U+0000 in a header": GET + b"X: a\0b\r\n\r\n",
    "U+0000 in the path": b"GET /v1/\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a space before the colon": b"GET /v1/jobs HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "no method": b" /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "unknown method": b"BREW /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/9.9": b"GET /v1/jobs HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "nonsense": b"\xff\xfe\xfd" * 50 + b"\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a path without slash": b"GET v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes in the path": b"GET /v1/jobs/\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT 127.0.0.1:6379 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a very long path": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a very long header": GET + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    "a head without end": GET + b"" + b"X: y\r\n" * 500_000,
    "WebSocket": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n\r\n",
}  # fmt: skip


class Stage:
    """A gateway of two tenants, `a` and `b`, and one who asks it.

    Args:
        server: The gateway.
        settings: Its own.
    """

    def __init__(self, server: GatewayServer, settings: Settings) -> None:
        self.server = server
        self.settings = settings
        self.mine, self.others = (bearer(key(settings, tenant)) for tenant in "ab")
        # A bad request ends its connection now and then.
        self.http = httpx.Client(base_url=server.address, timeout=ANSWER_S)

    def play(self, bad: Bad) -> httpx.Response:
        headers = [
            (name.encode(), value.encode("latin-1")) for name, value in ({**self.mine, **bad.headers}).items()
        ]
        return self.http.request(bad.method, bad.path, headers=headers, content=bad.body)

    def is_up(self) -> bool:
        return httpx.get(f"{self.server.address}/healthz", timeout=ANSWER_S).json() == {"status": "ok"}


@pytest.fixture(scope="module")
def stage(
    migrated_file: Path, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "ledger.sqlite3").write_bytes(migrated_file.read_bytes())
    settings = settings_at(f"sqlite:///{folder}/ledger.sqlite3", folder, redis_server.url)
    bounds = {"BRUSHWORK_MAX_UPLOAD_BYTES": str(8 * 2**20), "BRUSHWORK_IMAGE_ADDRESSES": "true"}
    server = GatewayServer(settings, folder / "gateway.log", **bounds)
    try:
        server.start()
        yield Stage(server, settings)
    finally:
        server.stop()


def num_jobs(stage: Stage) -> int:
    database = Database(stage.settings.database_url.get_secret_value())
    try:
        return num_rows(database)[0]
    finally:
        database.close()


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    doubled = [name for name, count in Counter(bad.name for bad in BAD).items() if count > 1]
    assert (len(BAD) + len(RAW) >= 300, doubled) == (True, [])


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: ascii(bad.name))
def test_it_is_refused_with_a_code(stage: Stage, bad: Bad) -> None:
    answer = stage.play(bad)
    assert answer.status_code in bad.statuses, answer.text
    if bad.method != "HEAD":
        assert answer.headers["Content-Type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["code"]
        assert problem["fault"] == "caller"


def raw_answer(stage: Stage, sent: bytes) -> bytes:
    """What comes back for these bytes, until the gateway hangs up or says no more."""
    with socket.create_connection(("127.0.0.1", stage.server.port), timeout=ANSWER_S) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # It has hung up already.
            pass
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass
    return answer


@pytest.mark.parametrize("name", RAW)
def test_what_is_hardly_http_is_refused(stage: Stage, name: str) -> None:
    answer = raw_answer(stage, RAW[name])
    first = answer.split(b"\r\n", 1)[0]
    assert not answer or first.startswith(b"HTTP/1.1 4"), first
    assert b"HTTP/1.1 2" not in answer
    assert stage.is_up()


def test_a_body_without_end_is_cut_off(stage: Stage) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(65536)

    headers = {**stage.mine, "Content-Type": "image/png"}
    try:
        answer = stage.http.post("/v1/files", content=endless(), headers=headers)
    except httpx.TransportError:
        # Whoever does not stop to listen may find that the other side has hung up.
        pass
    else:
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert stage.is_up()


@pytest.mark.parametrize("name", HARMLESS)
def test_a_picture_behind_many_words_is_only_a_picture(stage: Stage, name: str) -> None:
    headers = {**stage.mine, "Content-Type": "image/png"}
    answer = stage.http.post("/v1/files", content=all_bombs()[name], headers=headers)
    assert answer.status_code == 201
    assert answer.json()["size_bytes"] < 1000


def test_another_tenants_ids_lead_nowhere(stage: Stage) -> None:
    headers = {**stage.mine, "Content-Type": "image/png"}
    name = stage.http.post("/v1/files", content=png("pink"), headers=headers).json()["sha256"]
    body = {"kind": "image-classification", "image": name}
    job = stage.http.post("/v1/jobs", json=body, headers=stage.mine).json()["id"]
    paths: list[tuple[str, str, Any]] = [
        ("GET", f"/v1/jobs/{job}", None), ("GET", f"/v1/jobs/{job}/events", None),
        ("GET", f"/v1/jobs/{job}/preview", None), ("POST", f"/v1/jobs/{job}/cancel", None),
        ("POST", f"/v1/jobs/{job}/retry", {}), ("GET", f"/v1/files/{name}", None),
        ("HEAD", f"/v1/files/{name}", None),
    ]  # fmt: skip
    for method, path, content in paths:
        assert stage.http.request(method, path, json=content, headers=stage.others).status_code == 404
        assert stage.http.request(method, path, json=content).status_code == 401
    for path, content in (("/v1/jobs", body), ("/v1/jobs:batch", {"requests": [body]})):
        stolen = stage.http.post(path, json=content, headers=stage.others)
        assert (stolen.status_code, stolen.json()["code"]) == (422, "invalid_image")
    assert job not in stage.http.get("/v1/jobs?limit=1000", headers=stage.others).text
    assert stage.http.get(f"/v1/jobs/{job}", headers=stage.mine).json()["state"] == "queued"
    assert stage.http.post(f"/v1/jobs/{job}/cancel", headers=stage.mine).json()["outcome"] == "canceled"


def test_one_key_of_50_clients_at_once_is_one_job(stage: Stage) -> None:
    start = threading.Barrier(50)
    body = {"kind": "text-to-image", "prompt": "x"}
    headers = {**stage.mine, "Idempotency-Key": "one"}

    def submit(number: int) -> httpx.Response:
        with httpx.Client(base_url=stage.server.address, timeout=ANSWER_S) as own:
            start.wait()
            return own.post("/v1/jobs", json=body, headers=headers)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(submit, range(50)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 49}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = stage.http.post("/v1/jobs", json={**body, "prompt": "y"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_nothing_of_all_this_stays(stage: Stage) -> None:
    before = num_jobs(stage)

    def play_all() -> None:
        for bad in BAD:
            stage.play(bad)
        for sent in RAW.values():
            raw_answer(stage, sent)

    # What is touched for the first time stays; from then on nothing is to be added.
    play_all()
    warm = stage.server.rss_bytes()
    for _ in range(ROUNDS):
        play_all()
    assert stage.is_up()
    assert stage.server.rss_bytes() - warm < MOST_GROWTH_BYTES
    assert num_jobs(stage) == before
    assert "Traceback" not in stage.server.log.read_text()
