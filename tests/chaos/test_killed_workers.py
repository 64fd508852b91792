"""F01, F02, F21: workers that die from one moment to the next."""

import time
from random import Random

import pytest

from tests.chaos.chronicle import Chronicle
from tests.chaos.memory import MIB, Memory
from tests.chaos.moments import pause
from tests.chaos.scene import Scene
from tests.chaos.stack import Stack

KILLS = 3
KILL_EVERY_S = 5.0
MANY = 10_000
MANY_AT_ONCE = 500
MOST_GROWTH_BYTES = 32 * MIB
MOST_MESSAGE_BYTES = 1024


@pytest.mark.fault("F01", "`kill -9` of a worker at a random step", both=True)
def test_the_jobs_of_a_killed_worker_run_again(scene: Scene, rng: Random) -> None:
    with scene.stack(num_workers=2) as stack:
        jobs = stack.submit(["steps=20 pause=0.02"] * 30)
        for _ in range(KILLS):
            pause(rng.uniform(0.1, 0.8))
            stack.kill(rng.choice(stack.workers))
            stack.wait_ready(1)
        stack.settle()
        assert len(stack.journal.notes("begun")) > len(jobs), "no kill has hit a job"
        assert stack.verdict().worst_recovery_s <= stack.recovery_bound_s


@pytest.mark.fault("F01", "`kill -9` of a worker at a random step")
def test_who_is_killed_with_nobody_to_replace_it_is_inherited_by_the_others(
    scene: Scene, rng: Random
) -> None:
    with scene.stack(num_workers=2, supervised=False) as stack:
        stack.submit(["steps=20 pause=0.02"] * 12)
        pause(rng.uniform(0.1, 0.6))
        stack.kill(rng.choice(stack.workers))
        stack.settle()
        assert stack.verdict().worst_recovery_s <= stack.recovery_bound_s


@pytest.mark.fault(
    "F02", "`kill -9` of an idle worker that waits for a message, and a message in that moment"
)
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_message_that_died_with_its_reader_is_sent_again(scene: Scene, num_workers: int) -> None:
    with scene.stack(num_workers=num_workers) as stack:
        for _ in range(3):
            # A reader asks anew every second; frozen between two questions it takes nothing.
            assert any(_loses_a_message(stack) for _ in range(6)), "no frozen reader took its message"
        assert stack.verdict().worst_recovery_s <= stack.recovery_bound_s


def _loses_a_message(stack: Stack) -> bool:
    """Give messages to workers that are frozen in the midst of waiting for them, and kill them.

    Returns:
        Whether all of them had been given one.
    """
    stack.wait_ready()
    workers = stack.workers
    for worker in workers:
        stack.freeze(worker)
    jobs = stack.submit(["steps=2"] * len(workers))
    began = time.monotonic()
    with stack.redis.connect() as redis:
        queues = stack.queues(redis)
    for worker in workers:
        stack.kill(worker)
    stack.settle()
    if queues:
        return False
    starts = [note.at for note in stack.journal.notes("begun") if note.job_id in jobs]
    stack.note_recovery(max(starts) - began)
    return True


@pytest.mark.timeout(1800)
@pytest.mark.fault("F21", "10,000 jobs at once, a worker killed every 5 s", thorough=True)
def test_ten_thousand_jobs_end_once_each(scene: Scene, rng: Random, chronicle: Chronicle) -> None:
    with scene.stack(num_workers=2) as stack:
        with Memory(stack) as memory:
            for _ in range(0, MANY, MANY_AT_ONCE):
                stack.submit(["steps=1"] * MANY_AT_ONCE)
            while stack.unsettled():
                pause(KILL_EVERY_S)
                stack.kill(rng.choice(stack.workers))
                stack.wait_ready(1)
        chronicle.keep(memory.text())
        assert 0 < memory.largest_message_bytes < MOST_MESSAGE_BYTES
        # Neither by the number of its jobs, nor from one life to the next.
        assert max(gauge.growth_bytes for gauge in memory.gauges) < MOST_GROWTH_BYTES
        sizes = [gauge.most_bytes for gauge in memory.workers]
        assert max(sizes) - min(sizes) < MOST_GROWTH_BYTES
