"""What clients do while a server does not answer, an answer is lost, or a key is asked for."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from brushwork import AsyncClient, Client, InvalidRequest, JobNotFound, JobState, ServiceUnreachable, Settings
from brushwork_core.access.api_keys import Scope
from brushwork_core.database.database import Database
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import Forbidden, Unauthorized

from tests.chaos.links import Trap
from tests.chaos.proxy import Proxy
from tests.clients import BY_HTTP, DIRECT, KIND, num_rows, opened, png
from tests.gateways import key
from tests.live_gateways import Listening
from tests.servers import free_port

AWAY = "postgresql+psycopg://someone:SECRET@127.0.0.1:1/nothing"


@pytest.fixture
def sqlite_settings(redis_url: str, sqlite_url: str, tmp_path: Path) -> Settings:
    artifacts = str(tmp_path / "artifacts")
    return Settings(redis_url=redis_url, database_url=sqlite_url, artifacts_url=artifacts)  # type: ignore[arg-type]


@pytest.fixture
def gateway(sqlite_settings: Settings) -> Iterator[Listening]:
    with Listening(sqlite_settings) as listening:
        yield listening


@pytest.fixture
def bad_network(gateway: Listening) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", int(gateway.address.rsplit(":", 1)[1]))) as proxy:
        yield proxy


@pytest.mark.parametrize("way", [*DIRECT, *BY_HTTP])
class TestDatabase:
    def test_one_that_is_away_accepts_nothing(self, way: str, redis_url: str, tmp_path: Path) -> None:
        addresses = {"redis_url": redis_url, "database_url": AWAY, "artifacts_url": str(tmp_path / "a")}
        with (
            opened(way, **addresses) as client,
            pytest.raises(ServiceUnreachable, match="BRUSHWORK_DATABASE_URL") as raised,
        ):
            client.submit(KIND, prompt="x")
        assert "SECRET" not in str(raised.value)
        assert raised.value.fault == "machine"

    def test_one_without_tables_says_what_to_run(self, way: str, redis_url: str, tmp_path: Path) -> None:
        empty = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        addresses = {"redis_url": redis_url, "database_url": empty, "artifacts_url": str(tmp_path / "a")}
        with (
            opened(way, **addresses) as client,
            pytest.raises(ServiceUnreachable, match="brushwork migrate"),
        ):
            client.submit(KIND, prompt="x")


def both(address: str, **options: Any) -> list[Any]:
    return [Client(address, **options), AsyncClient(address, **options)]


def asked(client: Any, name: str, *arguments: Any, **options: Any) -> Any:
    """One call of either client, which is closed after it."""
    if isinstance(client, Client):
        with client:
            return getattr(client, name)(*arguments, **options)

    async def ask() -> Any:
        async with client:
            return await getattr(client, name)(*arguments, **options)

    return asyncio.run(ask())


def once(words: bytes) -> Trap:
    """The first answer to such a request gets lost."""
    left = [True]
    return Trap(words, springs=lambda: bool(left) and left.pop())


class Stranger(BaseHTTPRequestHandler):
    """A web server of another trade."""

    def do_GET(self) -> None:
        is_job = self.path.startswith("/v1/jobs/")
        self.send_response(200 if is_job else 404)
        self.end_headers()
        self.wfile.write(b"<html></html>")

    def log_message(self, *_: object) -> None:
        return


# As servers do that load the program before they fork.
FORKS = """
import os, sys
from brushwork import Client

client = Client(sys.argv[1])
job = client.submit("text-to-image", prompt="x")
before = client._runner._sender._client
child = os.fork()
for _ in range(20):
    assert client.get(job.id) == job
assert (client._runner._sender._client is before) == bool(child)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


class TestGateway:
    def test_where_nobody_listens_the_address_is_named(self) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        for client in both(address):
            with pytest.raises(ServiceUnreachable, match="BRUSHWORK_URL") as raised:
                asked(client, "submit", KIND, prompt="x")
            assert address in str(raised.value)

    def test_what_listens_and_is_no_gateway_is_told_of(self) -> None:
        with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
            looking = {"poll_interval": 0.01}
            threading.Thread(target=server.serve_forever, kwargs=looking, daemon=True).start()
            for client in both(f"http://127.0.0.1:{server.server_port}"):
                with pytest.raises(ServiceUnreachable, match=r"status 404 .* not a brushwork gateway"):
                    asked(client, "kinds")
            for client in both(f"http://127.0.0.1:{server.server_port}"):
                with pytest.raises(ServiceUnreachable, match="can't be read"):
                    asked(client, "get", "job")
            server.shutdown()

    @pytest.mark.parametrize(
        "request_", [{"kind": KIND, "prompt": "x"}, {"kind": "image-to-text", "image": png()}]
    )
    def test_a_lost_answer_is_no_second_job(
        self, bad_network: Proxy, sqlite_settings: Settings, request_: dict[str, Any]
    ) -> None:
        said = dict(request_)
        kind = said.pop("kind")
        for client in both(f"http://127.0.0.1:{bad_network.port}"):
            bad_network.trap = trap = once(b"POST /v1/jobs")
            job = asked(client, "submit", kind, **said)
            assert trap.num_caught == 1
            assert job.state is JobState.QUEUED
        with closing(Database(sqlite_settings.database_url.get_secret_value())) as database:
            assert num_rows(database)[0] == 2

    def test_lost_answers_of_other_calls_are_asked_for_again(
        self, bad_network: Proxy, sqlite_settings: Settings
    ) -> None:
        with Client(f"http://127.0.0.1:{bad_network.port}") as client:
            job = client.submit(KIND, prompt="x")
            bad_network.trap = once(b"/cancel")
            assert client.cancel(job.id).state is JobState.CANCELED
            bad_network.trap = once(b"/retry")
            again = client.retry(job.id)
            bad_network.trap = once(b"GET /v1/jobs")
            assert [found.id for found in client.list()] == [again.id, job.id]
            bad_network.trap = once(b"POST /v1/files")
            assert client.upload(png()).width == 16

    def test_processes_that_fork_share_no_connection(self, gateway: Listening) -> None:
        command = [sys.executable, "-c", FORKS, gateway.address]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stderr

    def test_a_wait_outlives_a_connection(self, bad_network: Proxy, sqlite_settings: Settings) -> None:
        with Client(f"http://127.0.0.1:{bad_network.port}") as client:
            job = client.submit(KIND, prompt="x")
            seen = []

            def cut(*_: object) -> None:
                seen.append(True)
                bad_network.reset()
                with Client(settings=sqlite_settings) as other:
                    other.cancel(job.id)

            assert client.wait(job.id, timeout_s=30, on_progress=cut).state is JobState.CANCELED
        assert len(seen) == 2


class TestKeys:
    def test_where_a_key_is_asked_for_it_is_brought(self, sqlite_settings: Settings) -> None:
        secret = key(sqlite_settings, "mine")
        with Listening(sqlite_settings) as gateway:
            for client in both(gateway.address):
                with pytest.raises(Unauthorized, match="brushwork keys create"):
                    asked(client, "list")
            for client in both(gateway.address, key=secret):
                assert asked(client, "submit", KIND, prompt="x").tenant == "mine"

    def test_a_key_s_bounds_hold(self, sqlite_settings: Settings) -> None:
        reader = key(sqlite_settings, "mine", scopes=[Scope.READ])
        mine, yours = key(sqlite_settings, "mine"), key(sqlite_settings, "yours")
        with Listening(sqlite_settings) as gateway:
            job = asked(Client(gateway.address, key=mine), "submit", "image-to-text", image=png())
            for name, argument in (("get", job.id), ("cancel", job.id), ("retry", job.id)):
                with pytest.raises(JobNotFound):
                    asked(Client(gateway.address, key=yours), name, argument)
            with pytest.raises(Forbidden):
                asked(Client(gateway.address, key=reader), "submit", KIND, prompt="x")
            assert asked(Client(gateway.address, key=yours), "list") == []

    def test_address_and_key_may_stand_in_the_environment(
        self, sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BRUSHWORK_API_KEY", key(sqlite_settings, "mine"))
        with Listening(sqlite_settings) as gateway:
            monkeypatch.setenv("BRUSHWORK_URL", gateway.address)
            with Client() as client:
                assert client.submit(KIND, prompt="x").tenant == "mine"
                assert repr(client) == f"Client('{gateway.address}')"
        with closing(Database(sqlite_settings.database_url.get_secret_value())) as database:
            assert len(JobIndex(database).list()) == 1

    def test_servers_that_are_named_are_talked_to_themselves(
        self, sqlite_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BRUSHWORK_URL", "http://127.0.0.1:1")
        address = sqlite_settings.database_url.get_secret_value()
        with Client(database_url=address, artifacts_url=sqlite_settings.artifacts_url) as client:
            assert client.list() == []
            assert repr(client).startswith("Client('sqlite:///")
        with pytest.raises(InvalidRequest, match="be combined with database_url"):
            Client("http://127.0.0.1:1", database_url=address)
