"""F01, F02, F21: workers that die from one moment to the next."""

from random import Random

import pytest

from tests.chaos.moments import pause
from tests.chaos.scene import Scene

KILLS = 3


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
