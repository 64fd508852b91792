"""The example of `deploy/nginx`, tried with nginx: what passes, what is sent again, and what is not."""

import io
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from brushwork.gateway.watching import job_events
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.settings.settings import Settings

from tests.gateways import bearer, key
from tests.jobs import KIND
from tests.live_gateways import Events, Listening
from tests.nginx_server import EXAMPLE, NAME, NginxServer, needs_nginx

pytestmark = pytest.mark.one_database("nginx is tried, not the database")
DRAW = {"kind": KIND, "prompt": "a red circle"}
KEY = {"Idempotency-Key": "order-17"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def fronted(
    folder: Path, gateways: list[str], change: Callable[[str], str] = lambda text: text
) -> Iterator[NginxServer]:
    """nginx with the example, changed a little."""
    needs_nginx()
    nginx = NginxServer(folder, gateways, change(EXAMPLE.read_text("utf-8")))
    try:
        yield nginx.start()
    finally:
        nginx.halt()


@pytest.fixture
def caller(settings: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """A caller of two gateways behind nginx, with a key."""
    headers = {**bearer(key(settings, "", [Scope.ADMIN])), "Host": NAME}
    with ExitStack() as stack:
        gateways = [stack.enter_context(Listening(settings, **_TRUSTING)).address for _ in range(2)]
        nginx = stack.enter_context(fronted(tmp_path, gateways))
        yield stack.enter_context(
            httpx.Client(base_url=nginx.address, headers=headers, verify=nginx.trust, timeout=30)
        )


_TRUSTING = {"proxy_headers": True, "forwarded_allow_ips": "127.0.0.1"}


def test_what_callers_send_passes(caller: httpx.Client, database: Database) -> None:
    job = caller.post("/v1/jobs", json=DRAW, headers={**KEY, "X-Request-ID": "mine-1"})
    assert (job.status_code, job.headers["X-Request-ID"]) == (201, "mine-1")
    assert (
        caller.get("/v1/jobs", headers={"X-Request-ID": "not safe!"}).headers["X-Request-ID"] != "not safe!"
    )
    assert caller.post("/v1/jobs", json=DRAW, headers=KEY).json()["id"] == job.json()["id"]
    assert caller.get(job.headers["Location"]).json()["state"] == "queued"
    # Compressed where it is worth it.
    assert caller.get("/v1/openapi.json").headers["Content-Encoding"] == "gzip"
    # The page knows that it is reached by https.
    login = caller.post("/login", data={"key": caller.headers["Authorization"].split()[1]})
    assert "Secure" in login.headers["Set-Cookie"]


def test_bodies_of_every_allowed_size_pass(caller: httpx.Client) -> None:
    noise = io.BytesIO()
    with zipfile.ZipFile(noise, "w") as archive:
        archive.writestr("cats/a.bin", b"\0" * 35 * 2**20)
    sent = caller.post("/v1/files", content=noise.getvalue(), headers={"Content-Type": "application/zip"})
    assert (sent.status_code, sent.json()["size_bytes"]) == (201, len(noise.getvalue()))
    # More than nginx takes by default.
    large = caller.post("/v1/jobs", json={**DRAW, "prompt": "x" * 2 * 2**20})
    assert (large.status_code, large.json()["field"]) == (422, "prompt")
    # The gateway refuses what is too large for a request, with a reason.
    refused = caller.post("/v1/jobs", json={**DRAW, "prompt": "x" * 33 * 2**20})
    assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")


def test_events_pass_at_once(
    caller: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_events, "PING_EVERY_S", 0.2)
    job = caller.post("/v1/jobs", json=DRAW).json()["id"]
    with caller.stream("GET", f"/v1/jobs/{job}/events") as response:
        stream = Events(response)
        assert "Content-Encoding" not in response.headers
        assert (stream.next() or {})["event"] == "snapshot"
        assert next(line for line in stream._lines if line) == ": ping"
        Ledger(database).cancel(job)
        assert stream.until("end")


def test_the_head_of_a_waiting_submit_passes_at_once(caller: httpx.Client, database: Database) -> None:
    with caller.stream("POST", "/v1/jobs", json=DRAW, headers={"Prefer": "wait=30"}) as answer:
        job = answer.headers["Location"].rsplit("/", 1)[-1]
        # The body follows only now, so nginx has not held back the head until it came.
        Ledger(database).cancel(job)
        answer.read()
    assert (answer.json()["id"], answer.json()["state"]) == (job, "canceled")


def test_an_answer_comes_before_the_proxy_gives_up(settings: Settings, tmp_path: Path) -> None:
    """nginx gives up after two seconds here, so that the test need not last a minute."""
    headers = {**bearer(key(settings, "mine")), "Prefer": "wait=60"}
    short = settings.model_copy(update={"answer_within_s": 1.0})
    with ExitStack() as stack:
        gateways = [stack.enter_context(Listening(short)).address for _ in range(2)]
        nginx = stack.enter_context(
            fronted(tmp_path, gateways, lambda text: text.replace("read_timeout    60s", "read_timeout 2s"))
        )
        with httpx.Client(base_url=nginx.address, headers=headers, verify=nginx.trust, timeout=30) as http:
            answer = http.post("/v1/jobs", json=DRAW)
            found = http.get(answer.headers["Location"])
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "wait=1")
    assert (found.status_code, found.headers["Preference-Applied"]) == (200, "wait=1")
    assert answer.json()["id"] == found.json()["id"]


def test_the_page_works_below_a_path(settings: Settings, tmp_path: Path) -> None:
    def below(text: str) -> str:
        start, end = text.index("    location / {"), text.rindex("}")
        place = "    location /brushwork/ { proxy_pass http://brushwork/; client_max_body_size 1025m; }\n"
        return text[:start] + place + text[end:]

    headers = bearer(key(settings, "mine"))
    with ExitStack() as stack:
        options = {"root_path": "/brushwork", **_TRUSTING}
        gateways = [stack.enter_context(Listening(settings, **options)).address for _ in range(2)]
        nginx = stack.enter_context(fronted(tmp_path, gateways, below))
        with httpx.Client(base_url=nginx.address, headers=headers, verify=nginx.trust, timeout=30) as http:
            job = http.post("/brushwork/v1/jobs", json=DRAW)
            page = http.get("/brushwork/gallery").text
            with http.stream("GET", f"{job.headers['Location']}/events") as response:
                assert (Events(response).next() or {})["event"] == "snapshot"
    assert job.headers["Location"].startswith("/brushwork/v1/jobs/")
    assert re.findall(r'(?:href|src|action)="(/(?!brushwork/)[^"]*)"', page) == []


class _Upstream:
    """A gateway that reads a request, and either answers or closes."""

    def __init__(self, answer: bytes) -> None:
        self.received: list[bytes] = []
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(65536)
                if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
                    body = head.partition(b"\r\n\r\n")[2]
                    while len(body) < int(length[1]):
                        body += connection.recv(65536)
                self.received.append(head)
                connection.sendall(self._answer)

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize(
    ("method", "path", "headers", "is_sent_again"),
    [
        ("POST", "/v1/jobs", {}, False),
        ("POST", "/v1/jobs:batch", {}, False),
        ("POST", "/v1/jobs/x/cancel", {}, False),
        ("POST", "/v1/jobs/x/retry", {}, False),
        ("POST", "/jobs", {}, False),
        ("POST", "/v1/jobs", KEY, True),
        ("POST", "/v1/jobs:batch", KEY, True),
        ("POST", "/v1/jobs/x/retry", KEY, True),
        ("POST", "/v1/files", {}, True),
        ("GET", "/v1/jobs", {}, True),
        ("GET", "/v1/jobs/x", KEY, True),
        ("DELETE", "/v1/jobs/x", {}, True),
    ],
)
def test_a_request_is_sent_again_only_where_nothing_runs_twice(
    closing: tuple[NginxServer, list[_Upstream]],
    method: str,
    path: str,
    headers: dict[str, str],
    is_sent_again: bool,
) -> None:
    nginx, upstreams = closing
    for each in upstreams:
        each.received.clear()
    answer = httpx.request(
        method, f"{nginx.address}{path}", headers=headers, content=b"{}" if method == "POST" else None,
        verify=nginx.trust,
    )  # fmt: skip
    assert answer.status_code == 502
    assert sum(len(each.received) for each in upstreams) == 1 + is_sent_again


@pytest.fixture(scope="module")
def closing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NginxServer, list[_Upstream]]]:
    """nginx before two gateways that break off after each request."""
    upstreams = [_Upstream(b""), _Upstream(b"")]
    with fronted(tmp_path_factory.mktemp("closing"), [each.address for each in upstreams]) as nginx:
        yield nginx, upstreams
    for each in upstreams:
        each.close()


def test_a_gateway_that_refuses_costs_no_request(tmp_path: Path) -> None:
    """Also a POST without a key: the gateway has received nothing of it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        away = f"http://127.0.0.1:{taken.getsockname()[1]}"
    works = _Upstream(OK)
    with fronted(tmp_path, [away, works.address]) as nginx:
        found = [
            httpx.post(f"{nginx.address}/v1/jobs", content=b"{}", verify=nginx.trust).status_code
            for _ in range(20)
        ]
        plain = httpx.get(
            f"http://127.0.0.1:{nginx.plain_port}/v1/jobs", headers={"Authorization": "Bearer x"}
        )
    works.close()
    assert found == [200] * 20
    assert plain.status_code == 403


def test_the_sizes_of_the_example_are_those_of_the_settings() -> None:
    text, defaults = EXAMPLE.read_text("utf-8"), Settings.model_fields
    megabytes = sorted({int(size) for size in re.findall(r"client_max_body_size (\d+)m;", text)})
    assert megabytes == [
        defaults["max_upload_bytes"].default // 2**20 + 1,
        defaults["max_dataset_bytes"].default // 2**20 + 1,
    ]
    seconds = [int(found) for found in re.findall(r"proxy_read_timeout +(\d+)s;", text)]
    assert min(seconds) > defaults["answer_within_s"].default
    assert min(seconds) / 2 > job_events.PING_EVERY_S
    assert int(re.findall(r" keepalive_timeout +(\d+)s;", text)[0]) < defaults["keep_alive_s"].default
