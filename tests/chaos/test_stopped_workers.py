"""F04, F10: workers that are asked to stop, and workers that stand still for a while."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from itertools import product

import pytest
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.retention import UNCLAIMED_S, Pruned, Retention
from brushwork_schemas.states import JobState
from brushwork_workers.process.emergency_exit import EXIT_BROKEN

from tests.chaos.journal import Note
from tests.chaos.moments import pause
from tests.chaos.nursery import Worker
from tests.chaos.scene import Scene
from tests.chaos.stack import SLACK_S, Stack
from tests.servers import wait_until

# Besides its grace: what Celery takes to notice, and the seconds that a worker gives itself to leave.
LEAVING_S = 4.0
ENDING_S = 10.0
# What is to end within the grace has more of it than a busy machine takes; who has ended leaves at once.
GRACES_S = {"idle": 1.5, "short": 10.0, "long": 1.5}
# Who stands still goes on with its jobs afterwards, however long a busy machine made that.
GOES_ON = {"stall_s": 60.0, "frozen_s": 60.0}
# Nothing; what ends within the grace; what would take far longer than a worker may take to leave.
WORK = {"idle": [], "short": ["steps=10 pause=0.05"] * 4, "long": ["steps=200 pause=0.1"] * 3}
ENDS = {"idle": JobState.SUCCEEDED, "short": JobState.SUCCEEDED, "long": JobState.CANCELED}


def _once(stack: Stack, worker: Worker) -> None:
    stack.terminate(worker)


def _twice(stack: Stack, worker: Worker) -> None:
    stack.terminate(worker)
    wait_until(lambda: "arm shutdown" in worker.text(), bound_s=10, what="the notice of the first SIGTERM")
    stack.terminate(worker)


def _quit(stack: Stack, worker: Worker) -> None:
    stack.terminate(worker, signal.SIGQUIT)


def _then_kill(stack: Stack, worker: Worker) -> None:
    stack.terminate(worker)
    pause(0.5)
    stack.kill(worker)


TITLE = "SIGTERM once, twice, SIGQUIT, SIGTERM and then SIGKILL; busy and idle"
WAYS = {"once": _once, "twice": _twice, "quit": _quit, "kill": _then_kill}
PAIRS = tuple(product(WAYS, WORK))
# Each way, and each sort of work; the rest takes half a minute more.
QUICK_PAIRS = (("once", "short"), ("once", "long"), ("twice", "idle"), ("quit", "long"), ("kill", "short"))


@pytest.mark.fault("F04", TITLE)
@pytest.mark.parametrize(("way", "work"), QUICK_PAIRS)
def test_a_worker_that_is_told_to_stop_loses_nothing(scene: Scene, way: str, work: str) -> None:
    stop(scene, way, work)


@pytest.mark.fault("F04", TITLE, thorough=True)
@pytest.mark.parametrize(("way", "work"), [pair for pair in PAIRS if pair not in QUICK_PAIRS])
def test_a_worker_that_is_told_to_stop_in_any_other_way(scene: Scene, way: str, work: str) -> None:
    stop(scene, way, work)


def stop(scene: Scene, way: str, work: str) -> None:
    with scene.stack(num_workers=1, supervised=False, grace_s=GRACES_S[work]) as stack:
        worker = stack.workers[0]
        jobs = stack.submit(WORK[work], ends=ENDS[work])
        wait_until(lambda: len(stack.journal.notes("begun")) == len(jobs), what="the jobs")
        WAYS[way](stack, worker)
        wait_until(
            lambda: not worker.is_alive or _has_left(stack, worker),
            bound_s=GRACES_S[work] + LEAVING_S + SLACK_S, what="its leaving", look_s=0.05,
        )  # fmt: skip
        status = worker.wait_ended(ENDING_S)
        assert status == 0 or way == "kill", worker.text()[-3000:]
        # SIGQUIT and a second SIGTERM leave no grace: then short ones may be given back as well.
        attempts = {0} if work == "long" else {1} if way == "once" else {0, 1}
        assert way == "kill" or {stack.job(job_id).attempt for job_id in jobs} <= attempts
        stack.start_worker("w1")
        stack.submit(["steps=2"])
        if work == "long":
            # They were given back, which is what this is about; to run them to their end would take long.
            wait_until(
                lambda: len(stack.ready_workers()) == 1, bound_s=20, what="the next worker", look_s=0.05
            )
            for job_id in jobs:
                stack.client.cancel(job_id)
        stack.settle()


@pytest.mark.fault("F10", "a worker stopped for longer than its lease, then continued", both=True)
def test_a_zombies_completion_is_refused(scene: Scene) -> None:
    with scene.stack(num_workers=2, **GOES_ON) as stack:
        zombie, job_id = _frozen(stack, lambda: stack.submit(["steps=2 rest=1"] * 4))
        _taken(stack, zombie, job_id)
        stack.thaw(zombie)
        wait_until(lambda: _late(stack, zombie), bound_s=10, what="a late completion", look_s=0.05)
        stack.settle()
        stored = stack.evidence().results
        assert all(stored[note.job_id]["fence"] > note.fence for note in _late(stack, zombie))
        assert stack.verdict().worst_recovery_s <= stack.frozen_recovery_bound_s


@pytest.mark.fault("F10", "a worker stopped for longer than its lease, then continued")
def test_who_stood_still_too_long_is_replaced(scene: Scene) -> None:
    with scene.stack(num_workers=2, frozen_s=3) as stack:
        zombie, job_id = _frozen(stack, lambda: stack.submit(["steps=10 pause=0.05"] * 8))
        _taken(stack, zombie, job_id)
        since = time.monotonic()
        stack.settle()
        pause(max(0.0, stack.settings.frozen_s - (time.monotonic() - since)))
        stack.thaw(zombie)
        # Whichever comes first ends it: its watchdog, to which its jobs stand still, or the timer outside of
        # Python, which dumps all threads and may break the process before it has exited.
        assert zombie.wait_ended(10) in (1, EXIT_BROKEN, -signal.SIGSEGV)
        stack.wait_ready(2)
        stack.submit(["steps=2"] * 8)


@pytest.mark.fault("F10", "a worker stopped for longer than its lease, then continued")
def test_a_zombies_files_are_collected(scene: Scene) -> None:
    with scene.stack(num_workers=2, **GOES_ON) as stack:
        kept = stack.submit(["steps=2"] * 4)
        stack.settle()
        zombie, withdrawn = _frozen(stack, lambda: stack.submit(["steps=2 rest=1"]))
        stack.client.cancel(withdrawn)
        stack.record.expect(withdrawn, JobState.CANCELED)
        _taken(stack, zombie, withdrawn)
        stack.settle()
        stack.thaw(zombie)
        wait_until(lambda: _late(stack, zombie), bound_s=10, what="a late completion", look_s=0.05)
        pruned = _prune(stack)
        assert (pruned.num_jobs, pruned.num_files) == (0, 1)
        assert all(stack.job(job_id).result.images[0].bytes() for job_id in kept)


def _has_left(stack: Stack, worker: Worker) -> bool:
    """Whether it is off the roster: its jobs have ended or are given back."""
    return not any(worker.mark in seen.name for seen in stack.client.workers())


def _frozen(stack: Stack, submit: Callable[[], Sequence[str]]) -> tuple[Worker, str]:
    """A worker that stands still in the midst of the last of the jobs, and that job.

    It may end between the look and the stop: then others are submitted.
    """
    for _ in range(5):
        last = submit()[-1]
        wait_until(lambda: _has_stepped(stack, last), what="the first step", look_s=0.02)  # noqa: B023
        worker = next((one for one in stack.workers if one.mark in (stack.job(last).worker or "")), None)
        if worker is None:
            continue
        stack.freeze(worker)
        job = stack.job(last)
        if not job.is_finished and worker.mark in (job.worker or ""):
            return worker, last
        stack.thaw(worker)
    raise AssertionError("five jobs ended before their worker could be stopped")


def _has_stepped(stack: Stack, job_id: str) -> bool:
    job = stack.job(job_id)
    return job.progress.step > 0 or job.is_finished


def _taken(stack: Stack, zombie: Worker, job_id: str) -> None:
    """Wait until others have taken the job of a worker that stands still."""
    wait_until(
        lambda: zombie.mark not in (stack.job(job_id).worker or "") or stack.job(job_id).is_finished,
        bound_s=stack.frozen_recovery_bound_s, what="the end of the lease", look_s=0.05,
    )  # fmt: skip


def _late(stack: Stack, zombie: Worker) -> list[Note]:
    """What it has done although others had taken it already."""
    stored = stack.evidence().results
    return [
        note
        for note in stack.journal.notes("done")
        if note.pid == zombie.pid and stored.get(note.job_id, {}).get("fence") != note.fence
    ]


def _prune(stack: Stack) -> Pruned:
    """Collect files as if all of them had been there for long."""
    long_ago = time.time() - 2 * UNCLAIMED_S
    for file in stack.artifacts.rglob("*"):
        if file.is_file():
            os.utime(file, (long_ago, long_ago))
    return Retention(stack.database, ArtifactStore(str(stack.artifacts))).prune(older_than_s=3600)
