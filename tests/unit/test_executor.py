"""The path of one job in a worker: every way an attempt can end."""

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_core.ledger import Signal
from brushwork_schemas.errors import InvalidImage, ServiceUnreachable
from brushwork_schemas.states import JobState
from brushwork_workers.execution.executor import Outcome
from brushwork_workers.interface import Desk
from sqlalchemy import text

from tests.stations import WORKER, Make, TestStation, nothing, raising


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Make]:
    database = Database(sqlite_url)
    yield lambda act: TestStation(database, tmp_path, act)
    database.close()


def test_a_job_succeeds_with_all_it_takes_to_make_it_again(make: Make) -> None:
    station = make(nothing)
    outcome = station.executor.execute(station.adopted(seed=5))
    job = station.job()
    assert outcome is Outcome.SUCCEEDED
    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    provenance = job.result.provenance
    assert (provenance.model, provenance.attempt, provenance.worker) == ("stub", 1, WORKER)
    assert len(provenance.model_revision) == 64
    assert provenance.versions["torch"] == torch.__version__.split("+")[0]
    assert provenance.timings.queued_s >= 0
    assert provenance.timings.running_s >= 0
    assert station.store.has(job.result.images[0].sha256)


@pytest.mark.parametrize(
    ("error", "code", "fault"),
    [
        (InvalidImage("image: damaged", field="image"), "invalid_image", "caller"),
        (RecursionError(), "internal", "machine"),
        (SystemExit(3), "internal", "machine"),
        (KeyError("prompt"), "internal", "machine"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_job_raises_ends_only_that_job(
    make: Make, error: BaseException, code: str, fault: str
) -> None:
    station = make(raising(error))
    assert station.executor.execute(station.adopted()) is Outcome.FAILED
    failed = station.job().error
    assert failed is not None
    assert (failed.code, failed.fault) == (code, fault)
    assert failed.hint or failed.field
    assert station.pulse.holds() == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA"), "out_of_memory"),
        (OSError("no room"), "machine_error"),
        (ServiceUnreachable("The store is away."), "service_unreachable"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_machine_s_fault_gets_another_attempt(make: Make, error: BaseException, code: str) -> None:
    errors = [error]

    def act(request: Any, desk: Desk) -> None:
        if errors:
            raise errors.pop()

    station = make(act)
    job_id = station.adopted()
    assert station.executor.execute(job_id) is Outcome.RETRIED
    job = station.job()
    assert (job.state, job.attempt, job.error) == (JobState.QUEUED, 1, None)
    assert job.last_error is not None
    assert job.last_error.code == code
    assert station.executor.execute(job_id) is Outcome.SUCCEEDED
    assert station.job().attempt == 2


def test_the_machine_s_fault_is_the_end_once_the_attempts_are_used_up(make: Make) -> None:
    station = make(raising(OSError("no room")))
    job_id = station.adopted()
    outcomes = [station.executor.execute(job_id) for _ in range(3)]
    assert outcomes == [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED]
    assert station.job().state is JobState.FAILED


def test_too_little_memory_even_alone_is_the_end(make: Make) -> None:
    station = make(raising(MemoryError()))
    job_id = station.adopted()
    assert [station.executor.execute(job_id) for _ in range(2)] == [Outcome.RETRIED, Outcome.FAILED]
    assert station.job().attempt == 2


def test_a_job_leaves_at_its_deadline(make: Make) -> None:
    def act(request: Any, desk: Desk) -> None:
        station.pulse.holds()[0]._deadline = 0.0
        station.intercom.listen()
        desk.step(1, 2)

    station = make(act)
    assert station.executor.execute(station.adopted(deadline_s=3600)) is Outcome.EXPIRED
    assert (station.job().state, station.job().progress.step) == (JobState.EXPIRED, 1)


def test_an_internal_error_tells_its_type_and_no_private_words(make: Make) -> None:
    station = make(raising(ValueError("the secret prompt")))
    station.executor.execute(station.adopted())
    error = station.job().error
    assert error is not None
    assert "ValueError" in error.message
    assert "secret" not in error.model_dump_json()


def test_a_job_that_succeeded_has_done_all_its_steps(make: Make) -> None:
    station = make(lambda request, desk: [desk.step(step, 20) for step in range(1, 21)])
    station.executor.execute(station.adopted())
    assert (station.job().progress.step, station.job().progress.total) == (20, 20)


def test_a_second_message_for_a_job_is_dropped(make: Make) -> None:
    station = make(nothing)
    job_id = station.adopted()
    assert station.executor.execute(job_id) is Outcome.SUCCEEDED
    assert station.executor.execute(job_id) is Outcome.DROPPED
    assert station.executor.execute("nobody") is Outcome.DROPPED
    assert station.job().attempt == 1


def test_a_database_that_is_away_costs_no_job(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    station = TestStation(database, tmp_path, nothing)
    job_id = station.adopted()
    _rename(database, "jobs", "away")
    assert station.executor.execute(job_id) is Outcome.LOST
    _rename(database, "away", "jobs")
    assert station.executor.execute(job_id) is Outcome.SUCCEEDED
    database.close()


def _rename(database: Database, table: str, name: str) -> None:
    with database.writing() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


@pytest.mark.parametrize("ear", ["pulse.beat", "intercom.listen"])
def test_a_canceled_job_leaves_at_its_next_step(ear: str, make: Make) -> None:
    steps: list[int] = []

    def act(request: Any, desk: Desk) -> None:
        for step in range(1, 4):
            if step == 2:
                station.ledger.cancel("job-1")
                attrgetter(ear)(station)()
            desk.step(step, 3)
            steps.append(step)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.CANCELED
    assert station.job().state is JobState.CANCELED
    assert station.job().progress.step == 2
    assert steps == [1]


def test_a_job_whose_model_is_not_there_yet_makes_it_loaded_and_runs(make: Make) -> None:
    station = make(nothing)
    assert station.shelf.loaded.keys() == {"stub"}
    assert station.executor.execute(station.adopted(model="large")) is Outcome.SUCCEEDED
    assert station.job().attempt == 1
    assert not station.column("job-1", "is_performing")


def test_a_job_whose_model_has_no_turn_goes_back_uncharged(make: Make) -> None:
    station = make(nothing)
    station.shelf.rest()
    job_id = station.adopted(model="large")
    assert station.executor.execute(job_id) is Outcome.POSTPONED
    assert (station.job().state, station.job().attempt, station.job().error) == (JobState.QUEUED, 0, None)
    assert station.executor.execute(station.adopted("job-2")) is Outcome.SUCCEEDED, "its model is here"


def test_a_job_whose_lease_went_away_writes_nothing(make: Make) -> None:
    def act(request: Any, desk: Desk) -> None:
        station.ledger.release("job-1", fence=1)
        station.pulse.beat()
        desk.step(1, 2)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.LOST
    assert station.job().state is JobState.QUEUED


def test_a_late_result_is_refused(make: Make) -> None:
    """The lease is lost and the job does not notice before it is done."""

    def act(request: Any, desk: Desk) -> None:
        station.ledger.release("job-1", fence=1)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.LOST
    assert station.job().result is None


def test_an_attempt_that_nobody_runs_is_given_back(make: Make) -> None:
    station = make(nothing)
    job_id = station.adopted()
    station.ledger.claim(job_id, WORKER)  # the answer was lost on its way
    station.pulse.beat()
    assert station.job().state is JobState.RUNNING, "it may just have been claimed"
    station.pulse.beat()
    assert (station.job().state, station.job().attempt) == (JobState.QUEUED, 0)
    assert station.executor.execute(job_id) is Outcome.SUCCEEDED


def test_progress_reaches_the_ledger(make: Make) -> None:
    seen = []

    def act(request: Any, desk: Desk) -> None:
        desk.step(1, 2)
        station.intercom.speak()
        seen.append(station.job().progress.fraction)

    station = make(act)
    station.executor.execute(station.adopted())
    assert seen == [0.5]


def test_release_all_gives_running_jobs_back_uncharged(make: Make) -> None:
    def act(request: Any, desk: Desk) -> None:
        assert station.pulse.release_all() == 1
        assert station.pulse.holds()[0].signal is Signal.LOST
        desk.step(1, 2)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.LOST
    assert (station.job().state, station.job().attempt) == (JobState.QUEUED, 0)


def test_a_model_that_could_not_be_loaded_fails_its_jobs_and_no_others(make: Make) -> None:
    station = make(nothing)
    station.adopted("job-1", model="absent")
    assert station.executor.execute("job-1") is Outcome.RETRIED, "another worker may have it"
    assert [station.executor.execute("job-1") for _ in range(2)] == [Outcome.RETRIED, Outcome.FAILED]
    error = station.job().error
    assert error is not None
    assert error.code == "model_not_here"
    assert "no folder" in error.message
    assert station.executor.execute(station.adopted("job-2")) is Outcome.SUCCEEDED
