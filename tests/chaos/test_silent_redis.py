"""F06, F18: Redis does not answer, closes connections, or answers too late for who asked."""

from pathlib import Path
from random import Random

import pytest

from tests.chaos.links import Trap
from tests.chaos.liveness import all_take_work
from tests.chaos.load import Load
from tests.chaos.moments import pause
from tests.chaos.proxy import Proxy, port_of
from tests.chaos.scene import Scene
from tests.chaos.stack import PATIENT, SLACK_S, Stack
from tests.servers import RedisServer

JOBS = ["steps=4 pause=0.02"] * 3
BRIEFLY_S = 3.0
KILLS = 30


def freeze(stack: Stack, seconds: float) -> None:
    """Redis hears and says nothing for so long; submit goes on."""
    with Load(stack, JOBS) as load:
        stack.redis.freeze()
        pause(seconds)
        stack.redis.thaw()
    assert load.num_submits > 0
    # A connection, and an answer.
    assert stack.record.slowest_submit_s <= 2 * stack.settings.publish_timeout_s + SLACK_S
    all_take_work(stack)


@pytest.mark.fault("F06", "Redis frozen for 3 s")
def test_a_redis_that_is_frozen(scene: Scene) -> None:
    with scene.stack() as stack:
        freeze(stack, BRIEFLY_S)


@pytest.mark.fault("F06", "Redis frozen for 5, 35, 90 s", thorough=True)
@pytest.mark.parametrize("seconds", [5.0, 35.0, 90.0])
def test_a_redis_that_is_frozen_for_long(scene: Scene, seconds: float) -> None:
    with scene.stack(num_workers=3) as stack:
        freeze(stack, seconds)


@pytest.mark.fault("F06", "a storm of CLIENT KILL")
def test_a_redis_that_closes_all_connections_again_and_again(scene: Scene, rng: Random) -> None:
    with scene.stack() as stack, stack.redis.connect() as redis:
        with Load(stack, JOBS):
            for _ in range(KILLS):
                pause(rng.uniform(0.0, 0.15))
                redis.client_kill_filter(_type="normal", skipme=True)
        all_take_work(stack)


@pytest.mark.fault("F18", "publish that timed out but succeeded")
@pytest.mark.parametrize("resets", [False, True], ids=["timeout", "reset"])
def test_a_publish_whose_answer_is_lost(scene: Scene, rng: Random, tmp_path: Path, resets: bool) -> None:
    redis = RedisServer(tmp_path)
    with (
        Proxy(("127.0.0.1", redis.port)) as proxy,
        scene.stack(
            redis=redis,
            redis_url=port_of(redis.url, proxy.port),
            worker_settings={"redis_url": redis.url},
            publish_timeout_s=0.3,
            **PATIENT,
        ) as stack,
    ):
        proxy.trap = trap = Trap(b"LPUSH", resets=resets, springs=lambda: rng.random() < 0.5)
        ids = [job_id for _ in range(10) for job_id in stack.submit(JOBS)]
        assert trap.num_caught > 0
        stack.settle()
        assert len(stack.journal.notes("begun")) == len(ids), "a job ran twice"
