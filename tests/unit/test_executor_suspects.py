"""Jobs that run alone since they are suspects, and what is done when the device itself fails."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import brushwork_workers.execution.exclusive_gate as quarantine_module
import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_schemas.states import JobState
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.interface import JobContext

from tests.servers import wait_until
from tests.stations import WORKER, Make, TestStation, nothing, raising


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits to be alone looks for its own signals after this time."""
    monkeypatch.setattr(quarantine_module, "CHECK_EVERY_S", 0.02)


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Make]:
    database = Database(sqlite_url)
    yield lambda act: TestStation(database, tmp_path, act)
    database.close()


class Neighbour:
    """A job that runs until a suspect is seen to wait for its end."""

    def __init__(self) -> None:
        self._is_running, self._may_end = threading.Event(), threading.Event()

    def act(self, request: Any, context: JobContext) -> None:
        """What each job does; any but this one ends at once."""
        if request.prompt == "other":
            self._is_running.set()
            assert self._may_end.wait(10)

    def before(self, worker_process: TestStation, suspect: str) -> None:
        """Run both: the suspect has its turn once this one is done, and both succeed."""
        worker_process.suspect(suspect)
        with ThreadPoolExecutor(2) as threads:
            other = threads.submit(worker_process.execute, worker_process.adopted("other", prompt="other"))
            assert self._is_running.wait(10)
            alone = threads.submit(worker_process.execute, suspect)
            wait_until(lambda: len(worker_process.running.attempts()) == 2)
            assert not worker_process.column(suspect, "is_performing")
            self._may_end.set()
            assert other.result(10) is alone.result(10) is Outcome.SUCCEEDED


class TestAlone:
    def test_a_suspect_waits_until_it_is_alone(self, make: Make) -> None:
        seen: list[tuple[str, object, int]] = []
        neighbour = Neighbour()

        def act(request: Any, context: JobContext) -> None:
            seen.append(
                (
                    request.prompt,
                    worker_process.column("alone", "is_performing"),
                    len(worker_process.running.attempts()),
                )
            )
            neighbour.act(request, context)

        worker_process = make(act)
        worker_process.adopted("alone", prompt="alone")
        neighbour.before(worker_process, "alone")
        assert [said[0] for said in seen] == ["other", "alone"]
        assert seen[1][1:] == (True, 1)

    def test_a_suspect_has_its_model_loaded_once_it_is_alone(self, make: Make) -> None:
        neighbour = Neighbour()
        worker_process = make(neighbour.act)
        worker_process.adopted("alone", model="large")
        neighbour.before(worker_process, "alone")
        assert worker_process.model_manager.sizes().keys() == {"large"}

    @pytest.mark.parametrize(("signal", "outcome"), [("cancel", Outcome.CANCELED), ("reap", Outcome.LOST)])
    def test_one_that_still_waits_can_be_stopped(self, make: Make, signal: str, outcome: Outcome) -> None:
        worker_process = make(nothing)
        worker_process.adopted("alone")
        worker_process.suspect("alone")
        # Beside it, another runs.
        worker_process.exclusive_gate.admit(1)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(worker_process.execute, "alone")
            wait_until(lambda: worker_process.job("alone").state is JobState.RUNNING)
            wait_until(worker_process.running.attempts)
            if signal == "cancel":
                worker_process.ledger.cancel("alone")
            else:
                worker_process.ledger.reap([WORKER])
            worker_process.heartbeat.beat()
            assert waiting.result(10) is outcome
        assert worker_process.job("alone").attempt == (1 if signal == "cancel" else 0)

    def test_nobody_begins_beside_a_suspect(self, make: Make) -> None:
        """Three suspects among others, with more threads than jobs: each has the worker for itself."""
        running, seen, changing = list[str](), dict[str, set[str]](), threading.Lock()

        def act(request: Any, context: JobContext) -> None:
            with changing:
                running.append(request.prompt)
                for name in running:
                    seen.setdefault(name, set()).update(running)
            time.sleep(0.01)
            with changing:
                running.remove(request.prompt)

        worker_process = make(act)
        names = [worker_process.adopted(f"job-{number}", prompt=f"job-{number}") for number in range(9)]
        suspects = names[1::3]
        for name in suspects:
            worker_process.suspect(name)
        with worker_process.pool(12) as jobs:
            wait_until(
                lambda: jobs.wake() or all(worker_process.job(name).state.is_terminal for name in names)
            )
        assert {worker_process.job(name).state for name in names} == {JobState.SUCCEEDED}
        assert [seen[name] for name in suspects] == [{name} for name in suspects]
        assert all(worker_process.job(name).attempt == 1 for name in names)


class TestDeviceFailed:
    def test_beside_others_nobody_is_charged_and_all_are_suspects(self, make: Make) -> None:
        both = threading.Barrier(2)

        def act(request: Any, context: JobContext) -> None:
            both.wait(10)
            if request.prompt == "guilty":
                raise torch.AcceleratorError("device-side assert")
            wait_until(lambda: worker_process.num_broken)

        worker_process = make(act)
        names = [worker_process.adopted(name, prompt=name) for name in ("guilty", "innocent")]
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(worker_process.execute, names)) == [Outcome.LOST, Outcome.LOST]
        assert worker_process.num_broken == 1
        assert [worker_process.job(name).attempt for name in names] == [0, 0]
        assert all(worker_process.column(name, "suspicion") == WORKER for name in names)

    @pytest.mark.parametrize("is_suspect", [False, True])
    def test_alone_it_is_no_death_of_the_job_and_the_process_ends_all_the_same(
        self, make: Make, is_suspect: bool
    ) -> None:
        worker_process = make(raising(torch.AcceleratorError("device-side assert")))
        job_id = worker_process.adopted()
        if is_suspect:
            worker_process.suspect(job_id)
        outcomes = [worker_process.execute(job_id) for _ in range(3)]
        assert outcomes == [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED]
        assert worker_process.num_broken == 3
        error = worker_process.job().error
        assert error is not None
        assert error.code == "device_failed"

    def test_one_that_waits_until_it_is_alone_has_no_part_in_it(self, make: Make) -> None:
        def act(request: Any, context: JobContext) -> None:
            wait_until(lambda: len(worker_process.running.attempts()) == 2)
            raise torch.AcceleratorError("device-side assert")

        worker_process = make(act)
        names = [worker_process.adopted(name, prompt=name) for name in ("guilty", "waiting")]
        worker_process.suspect("waiting")
        with ThreadPoolExecutor(2) as threads:
            guilty = threads.submit(worker_process.execute, "guilty")
            wait_until(lambda: worker_process.job("guilty").state is JobState.RUNNING)
            waiting = threads.submit(worker_process.execute, "waiting")
            assert guilty.result(10) is Outcome.RETRIED
            wait_until(lambda: worker_process.job("waiting").state is JobState.QUEUED)
            worker_process.heartbeat.beat()
            assert waiting.result(10) is Outcome.LOST
        assert [worker_process.job(name).attempt for name in names] == [1, 0]
