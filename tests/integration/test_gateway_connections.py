"""What one connection may cost the gateway: slow, silent, endless and ambiguous requests."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from brushwork.gateway.admission import body_room
from brushwork.gateway.admission.fair_pool import FairPool
from brushwork.gateway.connections.limits import ConnectionLimits
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from tests.gateways import bearer, key, settings_at
from tests.live_gateways import Listening
from tests.servers import wait_until

JOB = b'{"kind": "text-to-image", "prompt": "a red circle"}'
CHUNKED = b"%x\r\n%s\r\n0\r\n" % (len(JOB), JOB)
END_S = 20.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("connections")
    database = Database(url := f"sqlite:///{folder}/ledger.sqlite3")
    database.migrate()
    database.close()
    return settings_at(
        url,
        folder,
        max_connections=12,
        head_timeout_s=0.4,
        body_timeout_s=0.4,
        answer_timeout_s=0.4,
    )


@pytest.fixture(scope="module")
def gateway(settings: Settings) -> Iterator[Listening]:
    with Listening(settings) as listening:
        yield listening


@pytest.fixture(scope="module")
def api_key(settings: Settings, gateway: Listening) -> str:
    return key(settings, "acme")


def connected(gateway: Listening) -> socket.socket:
    host, port = gateway.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=END_S)


def answer_of(connection: socket.socket) -> bytes:
    """Everything until the gateway closes."""
    answer = b""
    try:
        while piece := connection.recv(65536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


def said(gateway: Listening, *sent: bytes) -> bytes:
    with connected(gateway) as connection:
        try:
            for piece in sent:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return answer_of(connection)


def post(api_key: str | None, *headers: str, path: str = "/v1/jobs", close: bool = True) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *headers]
    lines += [f"Authorization: Bearer {api_key}"] if api_key else []
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode()


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def ended(gateway: Listening, reason: str) -> float:
    name = "brushwork_gateway_ended_connections_total"
    return gateway.registry.get_sample_value(name, {"reason": reason}) or 0.0


class TestTrailers:
    def test_a_key_in_a_trailer_is_not_believed(self, gateway: Listening, api_key: str) -> None:
        trailer = f"Authorization: Bearer {api_key}\r\n\r\n".encode()
        head = post(None, "Transfer-Encoding: chunked")
        assert statuses(said(gateway, head + CHUNKED + trailer)) == [401]
        assert statuses(said(gateway, head, CHUNKED, trailer)) == [401]

    @pytest.mark.parametrize(
        "trailer",
        [
            "Idempotency-Key: trailer",
            "Host: evil.example",
            "Prefer: wait=60",
            "Cookie: a=b",
        ],
    )
    def test_a_trailer_says_nothing(self, gateway: Listening, api_key: str, trailer: str) -> None:
        head = post(api_key, "Transfer-Encoding: chunked")
        assert statuses(said(gateway, head + CHUNKED + f"{trailer}\r\n\r\n".encode())) == [201]

    @pytest.mark.parametrize(
        "endless",
        [b"X-%d: 1\r\n", b"x" * 8192, b"a: " + b"y" * 65536, b"\r\n b", b"A" * 100 + b": 1\r\n"],
        ids=["lines", "no_colon", "one_long_value", "folded", "long_names"],
    )
    def test_trailers_without_end_are_cut_off(self, gateway: Listening, api_key: str, endless: bytes) -> None:
        before = ended(gateway, "large_framing") + ended(gateway, "malformed")
        most = 32 * 2**20
        with connected(gateway) as connection:
            connection.sendall(post(api_key, "Transfer-Encoding: chunked") + CHUNKED + b"X: ")
            num_sent = _flood(connection, endless, most)
        assert num_sent < most
        wait_until(
            lambda: ended(gateway, "large_framing") + ended(gateway, "malformed") > before,
            what="the end of the connection",
        )

    @pytest.mark.parametrize("chunk", [b"1;" + b"x" * 70_000, b"1" + b";a=b" * 9000, b"0" * 70_000])
    def test_so_are_the_extensions_of_chunks(self, gateway: Listening, api_key: str, chunk: bytes) -> None:
        with connected(gateway) as connection:
            connection.sendall(post(api_key, "Transfer-Encoding: chunked"))
            assert _flood(connection, chunk, 2**25) < 2**25

    def test_many_small_chunks_are_a_body_like_any_other(self, gateway: Listening, api_key: str) -> None:
        pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in JOB + b" " * 50_000) + b"0\r\n\r\n"
        assert statuses(said(gateway, post(api_key, "Transfer-Encoding: chunked"), pieces)) == [201]


def _flood(connection: socket.socket, piece: bytes, most: int) -> int:
    num_sent = 0
    try:
        while num_sent < most:
            connection.sendall(piece)
            num_sent += len(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return num_sent


class TestHeads:
    @pytest.mark.parametrize(
        "part", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"\r\n\r\n"], ids=len
    )
    def test_an_unfinished_head_is_closed(self, gateway: Listening, part: bytes) -> None:
        answer = said(gateway, part)
        assert statuses(answer) == ([408] if part else [])

    def test_so_is_one_that_goes_on_byte_by_byte(self, gateway: Listening) -> None:
        with connected(gateway) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            began = time.monotonic()
            num_sent = 0
            while num_sent == 0 or _flood(connection, b"x", 1):
                num_sent += 1
                time.sleep(0.05)
                assert time.monotonic() - began < END_S

    def test_and_one_on_a_connection_that_has_been_used(self, gateway: Listening) -> None:
        whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        assert statuses(said(gateway, whole + b"GET /heal")) == [200, 408]
        with connected(gateway) as connection:
            connection.sendall(whole)
            assert b" 200 " in connection.recv(4096)
            connection.sendall(b"\r\n")
            assert statuses(answer_of(connection)) == [408]

    @pytest.mark.parametrize(
        "header", [b"a: b\r\n", b"a:\r\n", b"x" * 600 + b": 1\r\n"], ids=["short", "empty", "long"]
    )
    def test_too_many_headers_are_refused(self, gateway: Listening, header: bytes) -> None:
        head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header * 200 + b"\r\n"
        assert statuses(said(gateway, head)) == [431]

    def test_pipelined_requests_are_answered_up_to_a_number(self, gateway: Listening) -> None:
        one = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        last = one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert statuses(said(gateway, one * 9 + last)) == [200] * 10
        before = ended(gateway, "pipelined")
        assert len(statuses(said(gateway, one * 3000))) <= ConnectionLimits().pipelined
        assert ended(gateway, "pipelined") == before + 1


class TestAmbiguous:
    """Where a proxy in front could see other requests than the gateway does: nothing is read twice."""

    hidden = b"GET /v1/kinds HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    @pytest.mark.parametrize(
        "headers",
        [
            ("Content-Length: 4", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 4"),
            ("Content-Length: 4", "Content-Length: 0"),
            ("Content-Length: 4", "Content-Length: 4"),
            ("Content-Length: 4, 4",),
            ("Content-Length: +4",),
            ("Content-Length: 0x4",),
            ("Content-Length: 4 4",),
            ("Content-Length : 4",),
            ("Transfer-Encoding: xchunked",),
            ("Transfer-Encoding: chunked, identity",),
            ("Transfer-Encoding: identity, chunked, gzip",),
            ("Transfer-Encoding : chunked",),
            ("Transfer-Encoding:\x0bchunked",),
            ("X: a\nTransfer-Encoding: chunked",),
            ("X: a\rTransfer-Encoding: chunked",),
            ("Upgrade: websocket", "Connection: Upgrade", "Content-Length: 4"),
            ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "Content-Length: 4"),
            ("Upgrade: x", "Connection: upgrade", "Transfer-Encoding: chunked"),
        ],
        ids=lambda headers: "|".join(headers).encode("unicode_escape").decode(),
    )
    def test_a_length_that_can_be_read_in_two_ways_is_refused(
        self, gateway: Listening, api_key: str, headers: tuple[str, ...]
    ) -> None:
        head = post(api_key, *headers, close=False)
        for pieces in ((head + b"0\r\n\r\n" + self.hidden,), (head, b"0\r\n\r\n" + self.hidden)):
            answer = said(gateway, *pieces)
            assert statuses(answer)[:1] == [400], answer
            assert b"text-to-image" not in answer

    @pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
    def test_nothing_follows_what_would_be_another_protocol(self, gateway: Listening, version: str) -> None:
        head = (
            f"GET /healthz {version}\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        for pieces in ((head.encode() + self.hidden,), (head.encode(), self.hidden)):
            assert statuses(said(gateway, *pieces)) == [200]

    @pytest.mark.parametrize(
        "sent",
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /healthz\r\n\r\n",
            b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
            b"GET /healthz HTTP/1.1\nHost: 127.0.0.1\n\n",
        ],
    )
    def test_what_is_no_request_is_refused(self, gateway: Listening, sent: bytes) -> None:
        assert statuses(said(gateway, sent)) in ([400], [408])

    def test_chunks_of_http_1_0_are_never_two_requests(self, gateway: Listening, api_key: str) -> None:
        head = post(api_key, "Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert len(statuses(said(gateway, head + CHUNKED + b"\r\n" + self.hidden))) == 1


class TestBodies:
    @pytest.mark.parametrize("announced", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
    def test_a_silent_body_is_given_up(self, gateway: Listening, api_key: str, announced: str) -> None:
        assert statuses(said(gateway, post(api_key, announced), b"1")) == [408]

    def test_also_one_that_waits_to_be_asked_for(self, gateway: Listening, api_key: str) -> None:
        answer = said(gateway, post(api_key, "Content-Length: 1000000", "Expect: 100-continue"))
        assert statuses(answer) == [100, 408]

    @pytest.mark.parametrize(
        ("path", "form"),
        [
            ("/login", "multipart/form-data; boundary=x"),
            ("/login", "application/x-www-form-urlencoded"),
            ("/preferences", "application/x-www-form-urlencoded"),
            ("/jobs/x/repeat", "multipart/form-data; boundary=x"),
            ("/v1/jobs", "application/x-www-form-urlencoded"),
            ("/v1/jobs", "multipart/form-data; boundary=x"),
        ],
    )
    def test_a_form_is_small_before_the_caller_is_known(
        self, gateway: Listening, api_key: str, path: str, form: str
    ) -> None:
        del api_key
        head = post(None, "Content-Length: 31000000", path=path).replace(b"application/json", form.encode())
        began = time.monotonic()
        answer = said(gateway, head, b"&" * 100_000)
        expected = [401] if path == "/v1/jobs" and "multipart" in form else [413]
        assert statuses(answer) == expected
        assert time.monotonic() - began < END_S


class TestNumber:
    def test_unfinished_requests_keep_nobody_out(self, gateway: Listening, api_key: str) -> None:
        held = []
        before = ended(gateway, "replaced")
        try:
            for number in range(60):
                held.append(connected(gateway))
                held[-1].sendall(post(api_key, "Content-Length: 50") if number % 2 else b"GET / HTT")
                if number % 20 == 19:
                    answer = httpx.get(f"{gateway.address}/v1/kinds", headers=bearer(api_key))
                    assert answer.status_code == 200
        finally:
            for each in held:
                each.close()
        assert ended(gateway, "replaced") - before >= 3

    def test_who_reads_no_answer_is_closed(self, gateway: Listening, api_key: str) -> None:
        before = ended(gateway, "slow_reader")
        one = f"GET /v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api_key}\r\n\r\n"
        host, port = gateway.address.removeprefix("http://").split(":")
        with socket.socket() as connection:
            # A small window, so that the answers wait in the gateway and not in the kernel.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((host, int(port)))
            connection.sendall(one.encode() * ConnectionLimits().pipelined)
            wait_until(lambda: ended(gateway, "slow_reader") > before, what="the end of the connection")


def _is_free(pool: FairPool, num_bytes: int) -> bool:
    return pool.free == num_bytes


class TestRoom:
    @pytest.fixture
    def small(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
        """A gateway with room for four bodies of a mebibyte, and for four archives of it."""
        monkeypatch.setattr(body_room, "WAIT_S", 0.1)
        database = Database(url := f"sqlite:///{tmp_path}/ledger.sqlite3")
        database.migrate()
        database.close()
        mebibyte = 2**20
        settings = settings_at(
            url,
            tmp_path,
            max_upload_bytes=mebibyte,
            max_dataset_bytes=mebibyte,
            body_memory_bytes=4 * mebibyte,
            spool_bytes=4 * mebibyte,
        )
        with Listening(settings) as listening:
            yield listening

    @pytest.fixture
    def keys(self, small: Listening) -> dict[str, str]:
        return {name: key(small.services.settings, name) for name in ("greedy", "other")}

    @pytest.mark.parametrize(
        ("path", "media_type"),
        [
            ("/v1/jobs", "application/json"),
            ("/v1/files", "application/zip"),
            ("/v1/files", "image/png"),
            ("/v1/jobs", "multipart/form-data; boundary=x"),
        ],
    )
    def test_announced_bodies_of_one_tenant_leave_room_for_another(
        self, small: Listening, keys: dict[str, str], path: str, media_type: str
    ) -> None:
        greedy, other = (
            post(keys[name], f"Content-Length: {2**20}", path=path).replace(
                b"application/json", media_type.encode()
            )
            for name in ("greedy", "other")
        )
        with ExitStack() as stack:
            pool = small.services.bodies.spool if "zip" in media_type else small.services.bodies.memory
            for number in (1, 2, 3):
                stack.enter_context(connected(small)).sendall(greedy)
                left = (4 - number) * 2**20
                wait_until(partial(_is_free, pool, left), what="its room")
            answer = said(small, greedy)
            assert statuses(answer) == [503]
            assert b"too_many_uploads" in answer
            stack.enter_context(connected(small)).sendall(other)
            wait_until(partial(_is_free, pool, 0), what="the room of the other tenant")
        wait_until(partial(_is_free, pool, 4 * 2**20), what="the end of all")

    def test_a_body_of_unknown_length_takes_room_as_it_grows(
        self, small: Listening, keys: dict[str, str]
    ) -> None:
        pool = small.services.bodies.memory
        with connected(small) as connection:
            connection.sendall(post(keys["other"], "Transfer-Encoding: chunked") + b"1\r\n{\r\n")
            wait_until(partial(_is_free, pool, 3 * 2**20), what="its room")
        wait_until(partial(_is_free, pool, 4 * 2**20), what="its end")
