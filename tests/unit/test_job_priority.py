"""The priority of a job reaches the device: its model calls run first, and still every call runs."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_workers.batching import call_groups
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.interface import JobContext

from tests.servers import wait_until
from tests.stations import TestStation

BOUND_S = 20.0
# Far more than this test takes, so that only the order of priorities counts; and a short one.
LONG_HEAD_START_S, SHORT_HEAD_START_S = 3600.0, 0.3
OPTIONS = CallOptions("tiny", "unet")


class Device:
    """A worker with a real batcher, whose jobs call it as the test says; the calls that ran, in order."""

    def __init__(self, database: Database, folder: Path, act: Callable[["Device", str], None]) -> None:
        self.batcher = Batcher(max_rows=8, max_pixels=10**9)
        self.ran: list[str] = []
        self.may_go_on = threading.Event()
        self.worker_process = TestStation(database, folder, self._act, self.batcher)
        self._do = act

    def _act(self, request: Any, context: JobContext) -> None:
        self._do(self, context.job_id)

    def call(self, name: str, work: Callable[[], object] = lambda: None) -> None:
        """A model call of a job; no two share a batch."""

        def run() -> None:
            self.ran.append(name)
            work()

        self.batcher.call(OPTIONS, run)

    def start(self, threads: ThreadPoolExecutor, job_id: str, priority: str) -> Future[Outcome]:
        self.worker_process.adopted(job_id, priority=priority)
        return threads.submit(self.worker_process.execute, job_id)

    def num_waiting(self) -> int:
        """Calls that wait behind the one that runs."""
        return len(self.batcher._pending) - 1

    def pending(self, *, urgent: bool) -> int:
        """Calls of urgent jobs, or of others, that run or could run at once."""
        ready = time.monotonic() - 2 * call_groups.SHORTEST_TIMEOUT_S
        calls = list(self.batcher._pending)
        return sum((call.priority > 0) == urgent and call.since_s < ready for call in calls)

    def are_ready(self) -> bool:
        """Whether no waiting call waits for others to join its batch any more."""
        oldest = time.monotonic() - call_groups.LONGEST_TIMEOUT_S
        return all(call.since_s < oldest for call in list(self.batcher._pending))


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def call_once(device: Device, job_id: str) -> None:
    """The first job keeps the device busy until all others wait for it."""
    work = (lambda: device.may_go_on.wait(BOUND_S)) if job_id == "first" else (lambda: None)
    device.call(job_id, work)


def test_calls_of_more_urgent_jobs_run_first(
    database: Database, tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_groups, "HEAD_START_S", LONG_HEAD_START_S)
    device = Device(database, tmp_path, call_once)
    ends = [device.start(threads, "first", "normal")]
    wait_until(lambda: device.ran == ["first"])
    for number, priority in enumerate(("low", "normal", "high", "urgent"), start=1):
        ends.append(device.start(threads, priority, priority))
        wait_until(lambda number=number: device.num_waiting() == number)
    wait_until(device.are_ready)
    device.may_go_on.set()
    assert {end.result(BOUND_S) for end in ends} == {Outcome.SUCCEEDED}
    assert device.ran == ["first", "urgent", "high", "normal", "low"]
    device.batcher.close()


def test_of_equal_priority_the_one_that_waits_longer_runs_first(
    database: Database, tmp_path: Path, threads: ThreadPoolExecutor
) -> None:
    device = Device(database, tmp_path, call_once)
    ends = [device.start(threads, "first", "normal")]
    wait_until(lambda: device.ran == ["first"])
    for number, job_id in enumerate(("a", "b", "c"), start=1):
        ends.append(device.start(threads, job_id, "urgent"))
        wait_until(lambda number=number: device.num_waiting() == number)
    wait_until(device.are_ready)
    device.may_go_on.set()
    assert {end.result(BOUND_S) for end in ends} == {Outcome.SUCCEEDED}
    assert device.ran == ["first", "a", "b", "c"]
    device.batcher.close()


def test_urgent_jobs_that_call_without_end_starve_nobody(
    database: Database, tmp_path: Path, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_groups, "HEAD_START_S", SHORT_HEAD_START_S)
    give_up_at, has_run = time.monotonic() + BOUND_S, threading.Event()

    def goes_on() -> bool:
        return not has_run.is_set() and time.monotonic() < give_up_at

    def act(device: Device, job_id: str) -> None:
        if job_id == "low":
            device.call("low", has_run.set)
        while job_id != "low" and goes_on():
            # Whichever runs next, another urgent call is ready by then.
            name = "late" if device.pending(urgent=False) else "early"
            device.call(name, lambda: wait_until(lambda: device.pending(urgent=True) > 1 or not goes_on()))

    device = Device(database, tmp_path, act)
    ends = [device.start(threads, job_id, "urgent") for job_id in ("a", "b")]
    wait_until(lambda: len(device.ran) > 1)
    ends.append(device.start(threads, "low", "low"))
    assert {end.result(2 * BOUND_S) for end in ends} == {Outcome.SUCCEEDED}
    assert time.monotonic() < give_up_at, "urgent calls went on until they gave up"
    assert "late" in device.ran[: device.ran.index("low")], "urgent calls that came later went before it"
    device.batcher.close()
