"""F09: the database is locked, stopped, or does what it was asked and cannot say so."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest
from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import make_url

from tests.chaos.chronicle import Chronicle
from tests.chaos.links import Trap
from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.proxy import Proxy, by_port, socket_of
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.servers import PostgresServer

POSTGRESQL = ("postgresql",)
JOBS = ["steps=4 pause=0.02"] * 3
BRIEFLY_S = 4.0
STOPS = 3
COMMIT = b"COMMIT\0"
KEYS = 12
MOST_TRIES = 50
# Another process: a thread of this one would share its file locks.
_HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(database_url: str) -> Iterator[None]:
    """Somebody else has the write lock."""
    file = str(make_url(database_url).database)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _HOLDER, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"locked\n"
            yield
        finally:
            holder.kill()


def lock(scene: Scene, seconds: float) -> None:
    """Locked in mid-run for so long."""
    with scene.stack() as stack:
        stack.submit(["steps=20 pause=0.02"] * 12)
        with Load(stack, JOBS):
            pause(0.5)
            with locked(stack.settings.database_url.get_secret_value()):
                pause(seconds)
        all_take_work(stack)


@pytest.mark.fault("F09", "SQLite locked for 4 s by another process, twice a lease", on=("sqlite",))
def test_a_locked_file(scene: Scene) -> None:
    lock(scene, BRIEFLY_S)


@pytest.mark.fault("F09", "SQLite locked for 15 s by another process", on=("sqlite",), thorough=True)
def test_a_file_that_is_locked_for_long(scene: Scene) -> None:
    lock(scene, 15.0)


@pytest.mark.fault("F09", "PostgreSQL stopped or killed and started, in mid-run", on=POSTGRESQL)
def test_a_database_that_is_stopped_and_started(
    scene: Scene, rng: Random, chronicle: Chronicle, postgres_template: PostgresServer
) -> None:
    url = durable(scene.database_url(), postgres_template)
    with scene.stack(database_url=url) as stack, chronicle.of(stack):
        stack.submit(["steps=20 pause=0.03"] * 12)
        with Load(stack, JOBS, refusals=True):
            for _ in range(STOPS):
                pause(rng.uniform(0.3, 0.8))
                number = rng.choice([signal.SIGINT, signal.SIGQUIT])
                stack.halt(postgres_template, number)
                chronicle.note(f"PostgreSQL stopped by {number.name}")
                pause(rng.uniform(0.0, 1.5))
                postgres_template.start()
                chronicle.note("PostgreSQL started")
        all_take_work(stack)


@pytest.mark.fault("F09", "PostgreSQL ends all connections, again and again", on=POSTGRESQL)
def test_a_database_that_ends_all_connections(
    scene: Scene, rng: Random, postgres_template: PostgresServer
) -> None:
    url = scene.database_url()
    with scene.stack(database_url=url) as stack:
        with Load(stack, JOBS, refusals=True):
            for _ in range(20):
                pause(rng.uniform(0.0, 0.2))
                postgres_template.disconnect(str(make_url(url).database))
        all_take_work(stack)


@pytest.mark.fault("F09", "COMMIT whose reply is lost, of workers", on=POSTGRESQL)
def test_a_commit_of_a_worker_whose_reply_is_lost(scene: Scene, rng: Random) -> None:
    url = scene.database_url()
    with (
        Proxy(socket_of(url)) as proxy,
        scene.stack(database_url=url, worker_settings={"database_url": by_port(url, proxy.port)}) as stack,
    ):
        proxy.trap = trap = Trap(COMMIT, springs=lambda: rng.random() < 0.1)
        for _ in range(10):
            stack.submit(JOBS)
            pause(0.1)
        stack.settle()
        assert trap.num_caught > 0
        proxy.heal()
        all_take_work(stack)


@pytest.mark.fault(
    "F09", "COMMIT whose reply is lost, of a client that tries again with its key", on=POSTGRESQL
)
def test_a_commit_of_a_client_whose_reply_is_lost(scene: Scene, rng: Random) -> None:
    url = scene.database_url()
    with (
        Proxy(socket_of(url)) as proxy,
        scene.stack(database_url=by_port(url, proxy.port), worker_settings={"database_url": url}) as stack,
    ):
        proxy.trap = trap = Trap(COMMIT, springs=lambda: rng.random() < 0.5)
        tries = [stubborn(stack, f"key-{number}") for number in range(KEYS)]
        proxy.heal()
        assert trap.num_caught > 0
        assert sum(tries) > KEYS, "nobody had to try again"


def stubborn(stack: Stack, key: str) -> int:
    """Submit until there is an answer: how often."""
    for number in range(1, MOST_TRIES):
        try:
            stack.submit(["steps=2"], idempotency_key=key)
            return number
        except ServiceUnreachable:
            continue
    raise AssertionError(f"{MOST_TRIES} submits were not answered")


def durable(url: str, server: PostgresServer) -> str:
    """The database, which from now on keeps what is committed when the server is killed."""
    server.execute(f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = on")
    return url
