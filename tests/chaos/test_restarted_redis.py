"""F05, F07: Redis loses its memory, or is killed and reads its file again."""

import signal
from pathlib import Path
from random import Random

import pytest

from tests.chaos.chronicle import Chronicle
from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.servers import RedisServer

JOBS = ["steps=4 pause=0.02"] * 3
TIMES = 3


class KeepingRedis(RedisServer):
    """With an append-only file, written to the disk at each command."""

    def command(self) -> list[str]:
        return [*super().command(), "--appendonly", "yes", "--appendfsync", "always"]


@pytest.mark.fault("F05", "Redis restarted without persistence")
def test_a_redis_that_forgets_everything(scene: Scene, rng: Random) -> None:
    with scene.stack() as stack:
        with Load(stack, JOBS):
            for _ in range(TIMES):
                pause(rng.uniform(0.2, 0.6))
                stack.halt(stack.redis)
                pause(rng.uniform(0.0, 0.5))
                stack.redis.start()
        all_take_work(stack)


@pytest.mark.fault("F05", "`kill -9` of Redis with an append-only file")
def test_a_redis_that_is_killed_and_reads_its_file_again(scene: Scene, rng: Random, tmp_path: Path) -> None:
    with scene.stack(redis=KeepingRedis(tmp_path)) as stack:
        with Load(stack, JOBS):
            for _ in range(TIMES):
                pause(rng.uniform(0.2, 0.6))
                stack.halt(stack.redis, signal.SIGKILL)
                pause(rng.uniform(0.0, 0.5))
                stack.redis.start()
        all_take_work(stack)


@pytest.mark.fault("F07", "FLUSHALL in mid-run")
def test_a_redis_that_is_emptied(scene: Scene, rng: Random, chronicle: Chronicle) -> None:
    with scene.stack() as stack, chronicle.of(stack), stack.redis.connect() as redis:
        # More than the workers can run at once: some are messages when Redis forgets them.
        stack.submit(["steps=10 pause=0.03"] * 40)
        with Load(stack, JOBS):
            for _ in range(2 * TIMES):
                pause(rng.uniform(0.1, 0.4))
                num_waiting = sum(redis.llen(key) for key in stack.queues(redis))
                redis.flushall()
                chronicle.note(f"FLUSHALL; {num_waiting} messages were waiting")
        all_take_work(stack)
