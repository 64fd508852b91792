"""An idle worker whose connection to Redis is dead, and nobody told it so."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.proxy import Proxy, port_of
from tests.servers import RedisServer, wait_until

# A worker's Celery without its models; patient for one second in place of ten.
IDLE_WORKER = """
import sys
from types import SimpleNamespace
from brushwork_core.queue.broker import celery_app
from brushwork_core.settings.settings import Settings

app = celery_app(Settings(redis_url=sys.argv[1]))
assert app.conf.broker_transport_options["health_check_interval"] == 10
app.conf.broker_transport_options["health_check_interval"] = 1
# What the consumer uses of a worker: the sender of events, and whether there is room.
app.worker_process = SimpleNamespace(
    task_events=SimpleNamespace(deliver=lambda dispatcher: None),
    takes_messages=True,
    on_room=lambda callback: None,
)
app.conf.worker_consumer = "brushwork_workers.process.consumer:PatientConsumer"
app.Worker(
    pool="threads", concurrency=1, queues=["half-open"], hostname="idle@here", loglevel="info",
    without_gossip=True, without_mingle=True,
).start()
"""
BOUND_S = 60.0


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", redis_server.port)) as proxy:
        yield proxy


@pytest.fixture
def log(redis_server: RedisServer, proxy: Proxy, tmp_path: Path) -> Iterator[Path]:
    """Of an idle worker behind the proxy."""
    file = tmp_path / "log"
    command = [sys.executable, "-c", IDLE_WORKER, port_of(redis_server.url, proxy.port)]
    with file.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as worker:
        yield file
        worker.kill()


def is_listened_to(server: RedisServer) -> bool:
    """Whether somebody waits for a message."""
    with server.connect() as connection:
        return any(client["cmd"] == "brpop" for client in connection.client_list())


def test_an_idle_worker_notices_that_nobody_answers_and_connects_anew(
    redis_server: RedisServer, proxy: Proxy, log: Path
) -> None:
    wait_until(lambda: is_listened_to(redis_server), bound_s=BOUND_S)
    proxy.forget()
    wait_until(lambda: not is_listened_to(redis_server), bound_s=BOUND_S)
    # No message waits meanwhile, so nothing but the missing answer can tell.
    wait_until(lambda: is_listened_to(redis_server), bound_s=BOUND_S)
    assert "dropping stale connection" in log.read_text()
