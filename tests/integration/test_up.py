"""`brushwork up` from start to end, and through the deaths of its parts and its own. Its worker is a stub."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from brushwork import Client
from brushwork.embedded.gateway import PORT
from brushwork_schemas.states import JobState
from standardwebhooks import Webhook

from tests.integration.embedded import Up, gone
from tests.receivers import Receiver
from tests.servers import wait_until
from tests.unit.test_data_folder import modes

Start = Callable[..., Up]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `brushwork up` on this test's folder; whatever still runs at the end is stopped."""
    lives: list[Up] = []

    def begin(*options: str, **environment: str) -> Up:
        chosen = options or ("--no-flower",)
        lives.append(Up(tmp_path / "data", *chosen, environment=environment, stub=True))
        return lives[-1]

    yield begin
    for up in lives:
        up.stop()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A running `brushwork up` with all its parts, for tests that leave it running."""
    data = tmp_path_factory.mktemp("up") / "data"
    environment = {"BRUSHWORK_WEBHOOK_PRIVATE": "true"}
    with Up(data, "--flower", "--port", "0", environment=environment, stub=True) as running:
        yield running.ready()


def test_it_says_where_it_listens_and_a_client_finds_it(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = up.addresses()
    assert set(addresses) == {
        "BRUSHWORK_REDIS_URL",
        "BRUSHWORK_DATABASE_URL",
        "BRUSHWORK_ARTIFACTS_URL",
        "BRUSHWORK_WEBHOOK_SECRET",
        "BRUSHWORK_FLOWER_URL",
        "BRUSHWORK_GATEWAY_URL",
    }
    assert up.env_file.stat().st_mode & 0o777 == 0o600
    assert httpx.get(addresses["BRUSHWORK_FLOWER_URL"] + "/api/tasks").status_code == 200
    gateway = addresses["BRUSHWORK_GATEWAY_URL"]
    assert httpx.get(f"{gateway}/readyz").json()["status"] == "ok"
    monkeypatch.setenv("BRUSHWORK_DATA", str(up.data))
    with Client() as client:
        job = client.submit("text-to-image", prompt="a red circle")
        assert client.wait(job.id, timeout_s=30).error is not None
        assert client.workers()[0].ready
    # The worker of these tests has no models.
    assert httpx.get(f"{gateway}/readyz").json()["workers"]["text-to-image"] == 0


def test_everything_listens_on_loopback_only_and_redis_wants_its_password(up: Up) -> None:
    listening = [
        connection.laddr.ip
        for child in up.children()
        for connection in child.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
    url = up.addresses()["BRUSHWORK_REDIS_URL"]
    stranger = redis.Redis.from_url("redis://" + url.partition("@")[2])
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    secret = url.partition("@")[0].removeprefix("redis://:")
    secrets = (secret, up.addresses()["BRUSHWORK_WEBHOOK_SECRET"])
    assert not any(each in " ".join(child.cmdline()) for child in up.children() for each in secrets)


def test_sigterm_stops_everything_and_a_second_start_finds_jobs_messages_and_addresses(start: Start) -> None:
    up = start().ready()
    children, addresses = up.children(), up.addresses()
    with up.client() as client:
        job = client.submit("text-to-image", prompt="a red circle")
        client.wait(job.id, timeout_s=30)
    with redis.Redis.from_url(addresses["BRUSHWORK_REDIS_URL"]) as connection:
        connection.lpush("kept", "message")
    assert up.stop() == 0
    assert gone(children)
    assert not up.env_file.exists()
    assert "stub stopped" in up.log

    again = start().ready()
    assert again.addresses() == addresses
    with again.client() as client:
        assert [found.id for found in client.list()] == [job.id]
        assert len(client.workers()) == 1
    with redis.Redis.from_url(addresses["BRUSHWORK_REDIS_URL"]) as connection:
        assert connection.lrange("kept", 0, -1) == [b"message"]


def test_its_files_are_for_their_owner_alone(up: Up) -> None:
    assert (up.data / "ledger.sqlite3").exists()
    assert modes(up.data) == {}


def test_a_second_up_on_the_same_folder_is_refused_and_the_first_goes_on(up: Up) -> None:
    second = Up(up.data, "--no-flower", stub=True)
    assert second.process.wait(30) == 78
    assert "Another `brushwork up` uses the data folder" in second.log
    assert up.env_file.exists()
    assert up.process.poll() is None


def test_who_is_to_be_told_is_told(up: Up) -> None:
    with Receiver() as receiver, up.client() as client:
        job = client.submit("text-to-image", prompt="a red circle", webhook_url=f"{receiver.url}/hook")
        wait_until(lambda: receiver.heard, bound_s=30, what="the webhook")
    [heard] = receiver.heard
    told = Webhook(up.addresses()["BRUSHWORK_WEBHOOK_SECRET"]).verify(heard.body, dict(heard.headers))
    assert (told["type"], told["data"]["id"]) == ("job.failed", job.id)


@pytest.mark.parametrize("part", ["redis-server", "brushwork worker", "webhooks send", "brushwork gateway"])
def test_a_part_that_was_killed_is_back_and_jobs_go_on(up: Up, part: str) -> None:
    killed = up.part(part)
    killed.kill()
    wait_until(lambda: _has_another(up, part, killed.pid), bound_s=30, what="a new life")
    with up.client() as client:
        job = client.submit("text-to-image", prompt="a red circle")
        assert client.wait(job.id, timeout_s=60).state == JobState.FAILED


def test_kill_of_up_itself_leaves_no_process_and_the_folder_free(start: Start) -> None:
    up = start().ready()
    children = up.children()
    assert len(children) == 3
    up.process.kill()
    up.process.wait()
    wait_until(lambda: gone(children), what="the end of the orphans")
    assert up.env_file.exists()

    again = start()
    wait_until(lambda: not up.env_file.exists(), bound_s=30, what="the removal of the stale addresses")
    assert again.ready().stop() == 0


def test_a_port_that_is_taken_is_said_and_another_found(start: Start) -> None:
    with socket.socket() as other:
        # Taken by us, or by whoever else runs here: both will do.
        with contextlib.suppress(OSError):
            other.bind(("127.0.0.1", PORT))
            other.listen()
        up = start("--no-flower", "--gateway").ready()
        url = up.addresses()["BRUSHWORK_GATEWAY_URL"]
        assert not url.endswith(f":{PORT}")
        assert f"because {PORT} is in use" in up.log
        assert httpx.get(url + "/healthz").status_code == 200
        assert f"page       {url}" in up.log


@pytest.mark.parametrize("option", ["--port", "--flower-port"])
def test_a_port_that_was_asked_for_and_is_taken_is_an_error(start: Start, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = start("--gateway", option, str(port))
        assert up.process.wait(30) == 2
    assert f"{option.strip('-')}: another program uses port {port} of 127.0.0.1." in up.log
    assert not up.env_file.exists()


def test_open_streams_hold_nobody_back(start: Start) -> None:
    up = start("--no-flower", "--port", "0", STUB_GRACE_S="0").ready()
    url = up.addresses()["BRUSHWORK_GATEWAY_URL"]
    job = httpx.post(f"{url}/v1/jobs", json={"kind": "text-to-image", "prompt": "x"}).json()
    with httpx.stream("GET", f"{url}/v1/jobs/{job['id']}/events") as stream:
        assert next(stream.iter_lines())
        gateway = up.part("brushwork gateway")
        assert up.stop() == 0
    assert gone([gateway])


def test_a_second_signal_does_not_wait_for_the_worker(start: Start) -> None:
    up = start(STUB_GRACE_S="600").ready()
    children = up.children()
    up.process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        up.process.wait(1)
    assert up.stop(signal.SIGINT) == 0
    assert gone(children)


def test_a_worker_that_can_not_start_ends_up_with_its_last_words(start: Start) -> None:
    up = start(STUB_FAILS="no such device")
    assert up.process.wait(60) == 3
    assert "no such device" in up.log.partition("Error:")[2]
    assert not up.env_file.exists()


def test_it_runs_on_when_nobody_reads_its_output(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    up = Up(tmp_path / "data", "--no-flower", stub=True, output=writer)
    os.close(writer)
    with up.ready().client() as client:
        job = client.submit("text-to-image", prompt="a red circle")
        assert client.wait(job.id, timeout_s=30).error is not None
    assert up.stop() == 0
    assert "stub stopped" in (up.data / "logs" / "worker.log").read_text("utf-8")


def _has_another(up: Up, part: str, old: int) -> bool:
    return any(
        child.pid != old and part in " ".join(child.cmdline())
        for child in up.children()
        if child.is_running()
    )
