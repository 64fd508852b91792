"""F20: between the workers and their servers lies a bad network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.chaos.links import Way
from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.proxy import Proxy, by_port, port_of, socket_of
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.servers import RedisServer

POSTGRESQL = ("postgresql",)
JOBS = ["steps=4 pause=0.02"] * 3
# How long silence may go unnoticed; a worker's own defaults are longer.
DEAF_S = 4.0
ANSWER_S = 2.0
LASTS_S = 2.0
LATENCY_S = 0.15


def slow(proxy: Proxy) -> None:
    proxy.latency_s = LATENCY_S


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "reset": Proxy.reset,
    "latency": slow,
    "one-way down": lambda proxy: proxy.silence(Way.DOWN),
    "half-open": Proxy.forget,
    "one-way up": lambda proxy: proxy.silence(Way.UP),
    "cut": lambda proxy: proxy.silence(Way.UP, Way.DOWN),
}


@contextmanager
def far_redis(scene: Scene, folder: Path, num_workers: int = 2) -> Iterator[tuple[Proxy, Stack]]:
    redis = RedisServer(folder)
    with Proxy(("127.0.0.1", redis.port)) as proxy:
        far = {"redis_url": port_of(redis.url, proxy.port)}
        with scene.stack(redis=redis, worker_settings=far, deaf_s=DEAF_S, num_workers=num_workers) as stack:
            yield proxy, stack


@contextmanager
def far_database(scene: Scene) -> Iterator[tuple[Proxy, Stack]]:
    url = scene.database_url()
    with Proxy(socket_of(url)) as proxy:
        far = {"database_url": by_port(url, proxy.port, answer_s=ANSWER_S)}
        with scene.stack(database_url=url, worker_settings=far) as stack:
            yield proxy, stack


def play(proxy: Proxy, stack: Stack, rng: Random, fault: Callable[[Proxy], None]) -> None:
    """In mid-run, and then all is well."""
    stack.submit(["steps=20 pause=0.05"] * 8)
    with Load(stack, JOBS):
        pause(rng.uniform(0.1, 0.6))
        fault(proxy)
        pause(LASTS_S)
        proxy.heal()
    all_take_work(stack)


def forget(proxy: Proxy, stack: Stack) -> None:
    """Nobody speaks, so nobody notices, until there is work."""
    all_take_work(stack)
    proxy.forget()
    stack.submit(JOBS * 4)
    all_take_work(stack)


@pytest.mark.fault("F20", "connections of workers to Redis reset")
def test_a_way_to_redis_that_is_reset(scene: Scene, rng: Random, tmp_path: Path) -> None:
    with far_redis(scene, tmp_path) as (proxy, stack):
        play(proxy, stack, rng, Proxy.reset)


@pytest.mark.fault("F20", "half-open connections of idle workers to Redis")
def test_a_way_to_redis_that_is_forgotten_while_idle(scene: Scene, tmp_path: Path) -> None:
    # One: it notices that it is deaf only while messages wait, and another would take them.
    with far_redis(scene, tmp_path, num_workers=1) as (proxy, stack):
        forget(proxy, stack)


@pytest.mark.fault("F20", "worker and Redis: reset, latency, half-open, one-way, cut", thorough=True)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_way_to_redis(scene: Scene, rng: Random, tmp_path: Path, fault: str) -> None:
    with far_redis(scene, tmp_path) as (proxy, stack):
        play(proxy, stack, rng, FAULTS[fault])


@pytest.mark.fault("F20", "what PostgreSQL says is lost on the way to workers", on=POSTGRESQL)
def test_a_way_from_postgresql_that_is_silent(scene: Scene, rng: Random) -> None:
    with far_database(scene) as (proxy, stack):
        play(proxy, stack, rng, FAULTS["one-way down"])


@pytest.mark.fault("F20", "half-open connections of idle workers to PostgreSQL", on=POSTGRESQL)
def test_a_way_to_postgresql_that_is_forgotten_while_idle(scene: Scene) -> None:
    with far_database(scene) as (proxy, stack):
        forget(proxy, stack)


@pytest.mark.fault(
    "F20",
    "worker and PostgreSQL: reset, latency, half-open, one-way, cut",
    on=POSTGRESQL,
    thorough=True,
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_way_to_postgresql(scene: Scene, rng: Random, fault: str) -> None:
    with far_database(scene) as (proxy, stack):
        play(proxy, stack, rng, FAULTS[fault])
