"""F08: Redis is there and takes no message: it is full, or became a replica that only reads."""

from collections.abc import Callable

import pytest
import redis

from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack
from tests.servers import free_port

JOBS = ["steps=4 pause=0.02"] * 3
REFUSES_S = 1.0
TIMES = 2
Deed = Callable[[redis.Redis], object]


def refuse(stack: Stack, begin: Deed, end: Deed) -> None:
    """Twice in mid-run; no worker may die of it."""
    workers = stack.workers
    with stack.redis.connect() as connection, Load(stack, JOBS):
        for _ in range(TIMES):
            pause(REFUSES_S / 2)
            begin(connection)
            pause(REFUSES_S)
            end(connection)
    all_take_work(stack)
    assert stack.workers == workers, "a worker has died"


@pytest.mark.fault("F08", "Redis reaches `maxmemory`")
def test_a_redis_that_is_full(scene: Scene) -> None:
    with scene.stack() as stack:
        refuse(
            stack,
            lambda connection: connection.config_set("maxmemory", 1),
            lambda connection: connection.config_set("maxmemory", 0),
        )


@pytest.mark.fault("F08", "Redis becomes a replica: READONLY")
def test_a_redis_that_only_reads(scene: Scene) -> None:
    nowhere = free_port()
    with scene.stack() as stack:
        refuse(
            stack,
            lambda connection: connection.slaveof("127.0.0.1", nowhere),
            lambda connection: connection.slaveof(),
        )
