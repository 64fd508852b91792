"""No caller makes us open an address of ours: the pinned ssrfguard, held at each place where we use it.

Whether a connection was tried is told by the interpreter and not by the code under test.
"""

import asyncio
import contextlib
import socket
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Self

import pytest
from brushwork.inputs.address import fetch
from brushwork.inputs.reachable_hosts import PUBLIC_TABLE
from brushwork.webhooks.answer import DeliveryAnswer
from brushwork.webhooks.webhook_client import INNER_TOO, WebhookClient
from brushwork_schemas.errors import AddressRefused, InvalidImage
from ssrfguard import Policy

from tests.hostile_addresses import ANSWERS, PUBLIC, SPELLINGS, Resolver, connections
from tests.receivers import Receiver, status

TOP = Path(__file__).parents[2]
NAMES = tuple(ANSWERS)
HOSTS = [host for hosts in SPELLINGS.values() for host in hosts]
# With these, loopback is allowed, as by BRUSHWORK_WEBHOOK_PRIVATE.
NEVER = [*SPELLINGS["metadata"], *SPELLINGS["link-local"], *SPELLINGS["shared"], *SPELLINGS["this host"]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    resolver = Resolver({name: [answer] for name, answer in ANSWERS.items()})
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def delivered(urls: list[str], *, private: bool = False) -> list[DeliveryAnswer]:
    async def deliver() -> list[DeliveryAnswer]:
        async with WebhookClient(total_s=5, private=private) as client:
            return [await client.deliver(url, {}, "{}") for url in urls]

    return asyncio.run(deliver())


def rebinding(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Resolver:
    resolver = Resolver({"rebinding.example": [(answer,) for answer in answers]})
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def test_the_version_that_these_tests_hold_is_the_one_that_is_installed() -> None:
    dependencies = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    [pin] = [line for line in dependencies if line.startswith("ssrfguard")]
    assert pin == f"ssrfguard=={version('ssrfguard')}"


def test_the_table_allows_hosts_of_the_internet() -> None:
    assert [host for host in PUBLIC if PUBLIC_TABLE.classify(host).blocked] == []


def test_the_table_denies_every_hostile_address() -> None:
    found = []
    for host in HOSTS:
        with contextlib.suppress(ValueError):
            found.append(ip_address(host.strip("[]")))
    assert len(found) > 80
    assert [address for address in found if not PUBLIC_TABLE.classify(address).blocked] == []


def test_with_private_networks_allowed_only_these_are_added() -> None:
    inner = [ip_network(text) for text in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
    inner += [ip_network("::1/128"), ip_network("fc00::/7")]
    assert [network for network in inner if not INNER_TOO.permits_address(network[-1])] == []
    assert [host for host in NEVER if INNER_TOO.permits_address(host.strip("[]"))] == []


@pytest.mark.usefixtures("resolver")
class TestPictures:
    @pytest.mark.parametrize("kind", SPELLINGS)
    def test_no_spelling_is_opened(self, kind: str) -> None:
        with connections() as opened:
            for host in SPELLINGS[kind]:
                with pytest.raises((AddressRefused, InvalidImage)) as raised:
                    fetch(f"http://{host}/picture", allowed=True, total_s=5)
                assert raised.value.field == "image"
        assert opened == []

    def test_no_name_is_opened(self) -> None:
        with connections() as opened:
            for name in NAMES:
                with pytest.raises(AddressRefused):
                    fetch(f"https://{name}/picture", allowed=True, total_s=5)
        assert opened == []

    @pytest.mark.parametrize(
        "url",
        [
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_x",
            "ftp://127.0.0.1/",
            "//127.0.0.1/",
            "http:127.0.0.1/",
        ],
    )
    def test_no_other_scheme_is_opened(self, url: str) -> None:
        with connections() as opened, pytest.raises((AddressRefused, InvalidImage)):
            fetch(url, allowed=True, total_s=5)
        assert opened == []

    def test_no_proxy_of_the_environment_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        with connections() as opened, pytest.raises(AddressRefused):
            fetch("http://loopback.example/", allowed=True, total_s=5)
        assert opened == []

    def test_a_redirect_is_checked_like_the_address(self) -> None:
        kinds = ("metadata", "mapped", "NAT64", "private", "6to4", "Teredo")
        targets = [f"http://{host}/" for kind in kinds for host in SPELLINGS[kind]]
        targets += [
            f"http://{name}/" for name in ("metadata.google.internal", "mixed6.example", "private.example")
        ]
        with connections() as opened, Redirecting() as site:
            targets += [
                f"http://public.example@127.0.0.1:{site.port}/",
                "http://127.0.0.1:22/",
                "file:///etc/passwd",
            ]
            for site.target in targets:
                with pytest.raises((AddressRefused, InvalidImage)):
                    fetch(site.url, allowed=True, policy=site.policy, total_s=5)
        assert opened == ["127.0.0.1"] * len(targets)

    def test_a_name_that_changes_between_redirects_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolver = rebinding(monkeypatch, "127.0.0.1", "169.254.169.254")
        with connections() as opened, Redirecting() as site:
            url = site.target = site.url.replace("127.0.0.1", "rebinding.example")
            with pytest.raises(AddressRefused):
                fetch(url, allowed=True, policy=site.policy, total_s=5)
        assert (opened, resolver.lookups) == (["127.0.0.1"], {"rebinding.example": 2})

    def test_the_name_is_resolved_once_for_a_connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolver = rebinding(monkeypatch, "127.0.0.1", "10.0.0.1")
        with connections() as opened, Redirecting() as site:
            site.target = "http://10.0.0.1/"
            with pytest.raises(AddressRefused):
                fetch(site.url.replace("127.0.0.1", "rebinding.example"), allowed=True, policy=site.policy)
        assert (opened, resolver.lookups) == (["127.0.0.1"], {"rebinding.example": 1})


@pytest.mark.usefixtures("resolver")
class TestWebhooks:
    @pytest.mark.parametrize("kind", SPELLINGS)
    def test_no_spelling_is_opened(self, kind: str) -> None:
        urls = [f"http://{host}/hook" for host in SPELLINGS[kind]]
        with connections() as opened:
            answers = delivered(urls)
        assert opened == []
        assert [url for url, answer in zip(urls, answers, strict=True) if not answer.error] == []

    def test_no_name_is_opened(self) -> None:
        with connections() as opened:
            answers = delivered([f"https://{name}/hook" for name in NAMES])
        assert opened == []
        assert all("is not allowed" in str(answer.error) and answer.is_final for answer in answers)

    def test_what_is_never_allowed_stays_so_with_private_networks(self) -> None:
        names = ["metadata.google.internal", "mixed-last.example", "mixed6.example", "nat64.example"]
        with connections() as opened:
            answers = delivered([f"http://{host}/hook" for host in (*NEVER, *names)], private=True)
        assert opened == []
        assert all(answer.error for answer in answers)

    def test_a_redirect_is_not_followed(self, receiver: Receiver) -> None:
        receiver.replies += [
            status(code, Location="http://127.0.0.1:1/") for code in (301, 302, 303, 307, 308)
        ]
        with connections() as opened:
            answers = delivered([receiver.url] * 5, private=True)
        assert set(opened) == {"127.0.0.1"}
        assert (len(receiver.heard), [answer.status for answer in answers]) == (5, [301, 302, 303, 307, 308])


class Redirecting:
    """A web server that redirects each request to `target`, and a policy that allows it and no other host."""

    def __init__(self) -> None:
        self.target = ""
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", site.target)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/"
        self.policy = Policy(
            denied_networks=PUBLIC_TABLE,
            allowed_networks=(ip_network("127.0.0.1/32"),),
            allowed_ports=frozenset({80, 443, self.port}),
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
