"""Jobs that run alone since they are suspects, and what is done when the device itself fails."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_schemas.states import JobState
from brushwork_workers.execution.executor import Outcome
from brushwork_workers.interface import Desk

from tests.servers import wait_until
from tests.stations import WORKER, Make, TestStation, nothing, raising


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Make]:
    database = Database(sqlite_url)
    yield lambda act: TestStation(database, tmp_path, act)
    database.close()


class Neighbour:
    """A job that runs until a suspect is seen to wait for its end."""

    def __init__(self) -> None:
        self._is_running, self._may_end = threading.Event(), threading.Event()

    def act(self, request: Any, desk: Desk) -> None:
        """What each job does; any but this one ends at once."""
        if request.prompt == "other":
            self._is_running.set()
            assert self._may_end.wait(10)

    def before(self, station: TestStation, suspect: str) -> None:
        """Run both: the suspect has its turn once this one is done, and both succeed."""
        station.suspect(suspect)
        with ThreadPoolExecutor(2) as threads:
            other = threads.submit(station.executor.execute, station.adopted("other", prompt="other"))
            assert self._is_running.wait(10)
            alone = threads.submit(station.executor.execute, suspect)
            wait_until(lambda: len(station.pulse.holds()) == 2)
            assert not station.column(suspect, "is_performing")
            self._may_end.set()
            assert other.result(10) is alone.result(10) is Outcome.SUCCEEDED


class TestAlone:
    def test_a_suspect_waits_until_it_is_alone(self, make: Make) -> None:
        seen: list[tuple[str, object, int]] = []
        neighbour = Neighbour()

        def act(request: Any, desk: Desk) -> None:
            seen.append(
                (request.prompt, station.column("alone", "is_performing"), len(station.pulse.holds()))
            )
            neighbour.act(request, desk)

        station = make(act)
        station.adopted("alone", prompt="alone")
        neighbour.before(station, "alone")
        assert [said[0] for said in seen] == ["other", "alone"]
        assert seen[1][1:] == (True, 1)

    def test_a_suspect_has_its_model_loaded_once_it_is_alone(self, make: Make) -> None:
        neighbour = Neighbour()
        station = make(neighbour.act)
        station.adopted("alone", model="large")
        neighbour.before(station, "alone")
        assert station.shelf.loaded.keys() == {"large"}

    @pytest.mark.parametrize(("signal", "outcome"), [("cancel", Outcome.CANCELED), ("reap", Outcome.LOST)])
    def test_one_that_still_waits_can_be_stopped(self, make: Make, signal: str, outcome: Outcome) -> None:
        station = make(nothing)
        station.adopted("alone")
        station.suspect("alone")
        with ThreadPoolExecutor(1) as threads, station.quarantine.together():
            waiting = threads.submit(station.executor.execute, "alone")
            wait_until(lambda: station.job("alone").state is JobState.RUNNING)
            wait_until(station.pulse.holds)
            if signal == "cancel":
                station.ledger.cancel("alone")
            else:
                station.ledger.reap([WORKER])
            station.pulse.beat()
            assert waiting.result(10) is outcome
        assert station.job("alone").attempt == (1 if signal == "cancel" else 0)


class TestDeviceFailed:
    def test_beside_others_nobody_is_charged_and_all_are_suspects(self, make: Make) -> None:
        both = threading.Barrier(2)

        def act(request: Any, desk: Desk) -> None:
            both.wait(10)
            if request.prompt == "guilty":
                raise torch.AcceleratorError("device-side assert")
            wait_until(lambda: station.num_broken)

        station = make(act)
        names = [station.adopted(name, prompt=name) for name in ("guilty", "innocent")]
        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(station.executor.execute, names)) == [Outcome.LOST, Outcome.LOST]
        assert station.num_broken == 1
        assert [station.job(name).attempt for name in names] == [0, 0]
        assert all(station.column(name, "suspicion") == WORKER for name in names)

    @pytest.mark.parametrize("is_suspect", [False, True])
    def test_alone_it_is_no_death_of_the_job_and_the_process_ends_all_the_same(
        self, make: Make, is_suspect: bool
    ) -> None:
        station = make(raising(torch.AcceleratorError("device-side assert")))
        job_id = station.adopted()
        if is_suspect:
            station.suspect(job_id)
        outcomes = [station.executor.execute(job_id) for _ in range(3)]
        assert outcomes == [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED]
        assert station.num_broken == 3
        error = station.job().error
        assert error is not None
        assert error.code == "device_failed"

    def test_one_that_waits_until_it_is_alone_has_no_part_in_it(self, make: Make) -> None:
        def act(request: Any, desk: Desk) -> None:
            wait_until(lambda: len(station.pulse.holds()) == 2)
            raise torch.AcceleratorError("device-side assert")

        station = make(act)
        names = [station.adopted(name, prompt=name) for name in ("guilty", "waiting")]
        station.suspect("waiting")
        with ThreadPoolExecutor(2) as threads:
            guilty = threads.submit(station.executor.execute, "guilty")
            wait_until(lambda: station.job("guilty").state is JobState.RUNNING)
            waiting = threads.submit(station.executor.execute, "waiting")
            assert guilty.result(10) is Outcome.RETRIED
            wait_until(lambda: station.job("waiting").state is JobState.QUEUED)
            station.pulse.beat()
            assert waiting.result(10) is Outcome.LOST
        assert [station.job(name).attempt for name in names] == [1, 0]
