"""F20: between the workers and their servers lies a bad network."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.proxy import Proxy, Way, by_port, port_of, socket_of
from tests.chaos.scene import Scene
from tests.servers import RedisServer

JOBS = ["steps=4 pause=0.02"] * 3
# How long a silent connection to Redis may go unnoticed; a worker's own default is longer.
DEAF_S = 4.0
LASTS_S = 2.0


def slow(proxy: Proxy) -> None:
    proxy.latency_s = 0.15


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "latency": slow,
    "half-open": Proxy.forget,
    "reset": Proxy.reset,
    "one-way up": lambda proxy: proxy.silence(Way.UP),
    "one-way down": lambda proxy: proxy.silence(Way.DOWN),
}


def play(proxy: Proxy, rng: Random, fault: str) -> None:
    """The fault in mid-run, and then none."""
    pause(rng.uniform(0.3, 0.8))
    FAULTS[fault](proxy)
    pause(LASTS_S)
    proxy.heal()


@pytest.mark.fault("F20", "between worker and Redis: latency, half-open, reset, one-way")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_way_to_redis(scene: Scene, rng: Random, tmp_path: Path, fault: str) -> None:
    redis = RedisServer(tmp_path)
    with (
        Proxy(("127.0.0.1", redis.port)) as proxy,
        scene.stack(
            redis=redis, worker_settings={"redis_url": port_of(redis.url, proxy.port)}, deaf_s=DEAF_S
        ) as stack,
    ):
        with Load(stack, JOBS):
            play(proxy, rng, fault)
        all_take_work(stack, bound_s=40.0)


@pytest.mark.fault(
    "F20", "between worker and PostgreSQL: latency, half-open, reset, one-way", on=("postgresql",)
)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_way_to_postgresql(scene: Scene, rng: Random, fault: str) -> None:
    url = scene.database_url()
    with (
        Proxy(socket_of(url)) as proxy,
        scene.stack(database_url=url, worker_settings={"database_url": by_port(url, proxy.port)}) as stack,
    ):
        stack.submit(["steps=20 pause=0.05"] * 8)
        with Load(stack, JOBS):
            play(proxy, rng, fault)
        all_take_work(stack, bound_s=40.0)
