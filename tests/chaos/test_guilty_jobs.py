"""F03, F13, F14, F22: jobs that end, hang or break what runs them."""

from random import Random

import pytest
from brushwork_schemas.states import JobState

from tests.chaos.scene import Scene
from tests.chaos.stack import PATIENT, Stack

GOOD = "steps=8 pause=0.02"
INNER = {
    "oom": "out_of_memory",
    "memory": "out_of_memory",
    "systemexit": "internal",
    "recursion": "internal",
}


@pytest.mark.fault("F03", "jobs that segfault or end their process, among good ones", both=True)
def test_good_jobs_are_not_charged_for_bad_ones(scene: Scene, rng: Random) -> None:
    with scene.stack(num_workers=2, max_attempts=2, **PATIENT) as stack:
        good = stack.submit([GOOD] * 10)
        bad = stack.submit(["exit", "segfault"], ends=JobState.FAILED)
        good += stack.submit([GOOD] * 10)
        stack.settle(90)
        assert_charged(stack, good, bad, attempts=2)


@pytest.mark.fault("F03", "jobs that segfault or end their process, among good ones")
def test_a_job_that_ends_its_process_once_succeeds_then(scene: Scene) -> None:
    with scene.stack(num_workers=2) as stack:
        good = stack.submit([GOOD] * 6)
        once = stack.submit(["exit once"])
        stack.settle()
        assert_charged(stack, good, [], attempts=0)
        # Charged with its first run if nobody ran beside it then.
        assert stack.job(once[0]).attempt in (1, 2)


@pytest.mark.fault("F14", "a poison job that ends its process every time, among 100 good ones")
def test_a_poison_job_fails_and_a_hundred_good_ones_do_not(scene: Scene, rng: Random) -> None:
    with scene.stack(num_workers=2) as stack:
        place = rng.randrange(20)
        good = stack.submit([GOOD] * place)
        poison = stack.submit(["steps=4 pause=0.02 exit"], ends=JobState.FAILED)
        good += stack.submit([GOOD] * (100 - place))
        stack.settle(90)
        assert_charged(stack, good, poison, attempts=3)


@pytest.mark.fault("F13", "out of memory on the device and off it, SystemExit, endless recursion in a job")
def test_a_worker_outlives_what_jobs_raise(scene: Scene) -> None:
    with scene.stack(num_workers=1) as stack:
        before = stack.workers
        bad = {deed: stack.submit([deed], ends=JobState.FAILED)[0] for deed in INNER}
        stack.submit([GOOD] * 8)
        stack.settle()
        # As many as it has slots: none of them is dead.
        stack.submit(["steps=4 pause=0.1"] * 8)
        stack.settle()
        assert stack.workers == before
        for deed, job_id in bad.items():
            error = stack.job(job_id).error
            assert error is not None
            assert error.code == INNER[deed]


@pytest.mark.fault("F13", "out of memory on the device and off it, SystemExit, endless recursion in a job")
@pytest.mark.parametrize("deed", ["oom", "memory"])
def test_too_little_memory_beside_others_may_be_enough_alone(scene: Scene, deed: str) -> None:
    with scene.stack(num_workers=1) as stack:
        before = stack.workers
        stack.submit([GOOD] * 4)
        tight = stack.submit([f"{deed} once"])
        stack.settle()
        assert stack.workers == before
        assert stack.job(tight[0]).attempt == 2


@pytest.mark.fault("F22", "a job that hangs, letting go of Python's lock or holding it")
@pytest.mark.parametrize("deed", ["hang", "hang-gil"])
def test_a_hung_job_has_its_process_replaced(scene: Scene, deed: str) -> None:
    with scene.stack(num_workers=2, max_attempts=2, frozen_s=4) as stack:
        before = stack.workers
        good = stack.submit([GOOD] * 6)
        hung = stack.submit([deed], ends=JobState.FAILED)
        good += stack.submit([GOOD] * 6)
        stack.settle(90)
        assert stack.workers != before
        assert_charged(stack, good, hung, attempts=2)


@pytest.mark.fault("F22", "a job that hangs, letting go of Python's lock or holding it")
def test_a_broken_device_has_its_process_replaced(scene: Scene) -> None:
    with scene.stack(num_workers=2) as stack:
        before = stack.workers
        stack.submit([GOOD] * 6)
        stack.submit(["device once"])
        stack.settle()
        stack.wait_ready(2)
        assert stack.workers != before


def assert_charged(stack: Stack, good: list[str], bad: list[str], *, attempts: int) -> None:
    """The good made one attempt, whatever happened beside them; the bad as many as they may."""
    assert {stack.job(job_id).attempt for job_id in good} == {1}
    for job_id in bad:
        job = stack.job(job_id)
        assert job.attempt == attempts
        assert job.error is not None
        assert job.error.code in ("worker_lost", "stalled")
