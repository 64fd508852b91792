"""Pictures by address: what may be fetched, and how much, and for how long."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import ClassVar

import pytest
from brushwork.inputs.address import PUBLIC_HOSTS, fetch
from brushwork_core.media.pictures import MAX_BYTES
from brushwork_schemas.errors import AddressRefused, InvalidImage
from ssrfguard import Policy

PICTURE = b"a picture's bytes"


class Site(BaseHTTPRequestHandler):
    """A web server that answers well, too much, too slowly, or elsewhere."""

    asked: ClassVar[list[str]] = []
    released: ClassVar[threading.Event] = threading.Event()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name, _, rest = self.path[1:].partition("/")
        try:
            getattr(self, f"_{name}")(rest)
        except (BrokenPipeError, ConnectionResetError):
            return

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()

    def _picture(self, rest: str) -> None:
        self._answer(200, Content_Length=str(len(PICTURE)))
        self.wfile.write(PICTURE)

    def _large(self, rest: str) -> None:
        self._answer(200)
        for _ in range(MAX_BYTES // 1_000_000 + 2):
            self.wfile.write(bytes(1_000_000))

    def _silent(self, rest: str) -> None:
        self.released.wait(timeout=20)

    def _trickle(self, rest: str) -> None:
        self._answer(200)
        self._drip()

    def _headers(self, rest: str) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._drip()

    def _drip(self) -> None:
        while not self.released.wait(timeout=0.05):
            self.wfile.write(b"x")

    def _missing(self, rest: str) -> None:
        self._answer(404, Content_Length="0")

    def _redirect(self, rest: str) -> None:
        self._answer(302, Location=rest, Content_Length="0")

    def _round(self, rest: str) -> None:
        self._answer(302, Location="/round", Content_Length="0")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        Site.released.set()
        site.shutdown()
        thread.join(timeout=10)


@pytest.fixture
def address(server: ThreadingHTTPServer) -> str:
    Site.asked.clear()
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def loopback(server: ThreadingHTTPServer) -> Policy:
    """A policy that lets the test reach its own server and nothing else that is private."""
    return Policy(
        allowed_networks=(ip_network("127.0.0.1/32"),), allowed_ports=frozenset({80, 443, server.server_port})
    )


def test_addresses_are_off_unless_allowed(address: str, loopback: Policy) -> None:
    with pytest.raises(AddressRefused, match="BRUSHWORK_IMAGE_ADDRESSES") as raised:
        fetch(f"{address}/picture", allowed=False, policy=loopback)
    assert (raised.value.field, Site.asked) == ("image", [])


def test_an_allowed_address_is_fetched(address: str, loopback: Policy) -> None:
    assert fetch(f"{address}/picture", allowed=True, policy=loopback) == PICTURE


def test_a_redirect_to_an_allowed_address_is_followed(address: str, loopback: Policy) -> None:
    assert fetch(f"{address}/redirect//picture", allowed=True, policy=loopback) == PICTURE


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.0",  # noqa: S104
        "[::1]", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254",
        "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "2130706433",
        "0x7f000001", "127.1", "[64:ff9b::7f00:1]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_private_hosts_are_refused(scheme: str, host: str) -> None:
    with pytest.raises(AddressRefused) as raised:
        fetch(f"{scheme}://{host}/picture", allowed=True, total_s=5)
    assert raised.value.field == "image"


def test_the_default_policy_does_not_reach_the_own_host(address: str) -> None:
    with pytest.raises(AddressRefused):
        fetch(f"{address}/picture", allowed=True)
    assert Site.asked == []


@pytest.mark.parametrize(
    "target",
    ["http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[::1]/", "file:///etc/passwd"],
)
def test_a_redirect_to_a_private_host_is_refused(address: str, loopback: Policy, target: str) -> None:
    with pytest.raises((AddressRefused, InvalidImage)) as raised:
        fetch(f"{address}/redirect/{target}", allowed=True, policy=loopback, total_s=5)
    assert raised.value.field == "image"
    assert len(Site.asked) == 1


def test_a_redirect_without_end_is_refused(address: str, loopback: Policy) -> None:
    with pytest.raises((AddressRefused, InvalidImage)):
        fetch(f"{address}/round", allowed=True, policy=loopback)
    assert 1 < len(Site.asked) < 30


@pytest.mark.parametrize(
    "url", ["ftp://example.org/x", "http://", "http://[", "http://a b/", "http://u:p@127.0.0.1/"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises((AddressRefused, InvalidImage)):
        fetch(url, allowed=True, total_s=5)


def test_too_much_is_refused(address: str, loopback: Policy) -> None:
    with pytest.raises(InvalidImage, match=f"more than {MAX_BYTES} bytes"):
        fetch(f"{address}/large", allowed=True, policy=loopback)


def test_an_error_page_is_no_picture(address: str, loopback: Policy) -> None:
    with pytest.raises(InvalidImage, match="404"):
        fetch(f"{address}/missing", allowed=True, policy=loopback)


@pytest.mark.parametrize("page", ["silent", "trickle", "headers"])
def test_a_slow_host_is_given_up(address: str, loopback: Policy, page: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidImage, match="can't be fetched"):
        fetch(f"{address}/{page}", allowed=True, policy=loopback, total_s=0.5)
    assert time.monotonic() - began < 3


def test_nobody_there_is_said(loopback: Policy) -> None:
    with pytest.raises((InvalidImage, AddressRefused)) as raised:
        fetch("http://127.0.0.1:80/", allowed=True, policy=loopback, total_s=5)
    assert "image: " in str(raised.value)


@pytest.mark.parametrize(
    "host", ["168.63.129.16", "169.254.169.254", "100.100.100.200", "10.0.0.1", "127.0.0.1", "64.233.160.1"]
)
def test_the_table_itself_denies_what_a_cloud_keeps_for_itself(host: str) -> None:
    """Asked without a connection, so that a hole in it reaches nobody."""
    assert PUBLIC_HOSTS.denied_networks.classify(host).blocked is (host != "64.233.160.1")
