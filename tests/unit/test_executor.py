"""The path of one job in a worker: every way an attempt can end."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_schemas.database import Database
from brushwork_schemas.errors import InvalidImage
from brushwork_schemas.ledger import Signal
from brushwork_schemas.states import JobState
from brushwork_workers.desk import Desk
from brushwork_workers.executor import Outcome
from sqlalchemy import text

from tests.stations import WORKER, TestStation

Act = Callable[[Any, Desk], None]


def nothing(request: Any, desk: Desk) -> None:
    return


def raising(error: BaseException) -> Act:
    def act(request: Any, desk: Desk) -> None:
        raise error

    return act


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Callable[[Act], TestStation]]:
    database = Database(sqlite_url)
    yield lambda act: TestStation(database, tmp_path, act)
    database.close()


def test_a_job_succeeds_with_all_it_takes_to_make_it_again(make: Callable[[Act], TestStation]) -> None:
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
        (MemoryError(), "out_of_memory", "machine"),
        (torch.OutOfMemoryError("CUDA"), "out_of_memory", "machine"),
        (RecursionError(), "internal", "machine"),
        (SystemExit(3), "internal", "machine"),
        (KeyError("prompt"), "internal", "machine"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_job_raises_ends_only_that_job(
    make: Callable[[Act], TestStation], error: BaseException, code: str, fault: str
) -> None:
    station = make(raising(error))
    assert station.executor.execute(station.adopted()) is Outcome.FAILED
    failed = station.job().error
    assert failed is not None
    assert (failed.code, failed.fault) == (code, fault)
    assert failed.hint or failed.field
    assert station.pulse.holds() == []


def test_an_internal_error_tells_its_type_and_no_private_words(
    make: Callable[[Act], TestStation],
) -> None:
    station = make(raising(ValueError("the secret prompt")))
    station.executor.execute(station.adopted())
    error = station.job().error
    assert error is not None
    assert "ValueError" in error.message
    assert "secret" not in error.model_dump_json()


def test_a_job_that_succeeded_has_done_all_its_steps(make: Callable[[Act], TestStation]) -> None:
    station = make(lambda request, desk: [desk.step(step, 20) for step in range(1, 21)])
    station.executor.execute(station.adopted())
    assert (station.job().progress.step, station.job().progress.total) == (20, 20)


def test_a_second_message_for_a_job_is_dropped(make: Callable[[Act], TestStation]) -> None:
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
def test_a_canceled_job_leaves_at_its_next_step(ear: str, make: Callable[[Act], TestStation]) -> None:
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


def test_a_job_whose_lease_went_away_writes_nothing(make: Callable[[Act], TestStation]) -> None:
    def act(request: Any, desk: Desk) -> None:
        station.ledger.release("job-1", fence=1)
        station.pulse.beat()
        desk.step(1, 2)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.LOST
    assert station.job().state is JobState.QUEUED


def test_a_late_result_is_refused(make: Callable[[Act], TestStation]) -> None:
    """The lease is lost and the job does not notice before it is done."""

    def act(request: Any, desk: Desk) -> None:
        station.ledger.release("job-1", fence=1)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.LOST
    assert station.job().result is None


def test_an_attempt_that_nobody_runs_is_given_back(make: Callable[[Act], TestStation]) -> None:
    station = make(nothing)
    job_id = station.adopted()
    station.ledger.claim(job_id, WORKER)  # the answer was lost on its way
    station.pulse.beat()
    assert station.job().state is JobState.RUNNING, "it may just have been claimed"
    station.pulse.beat()
    assert (station.job().state, station.job().attempt) == (JobState.QUEUED, 0)
    assert station.executor.execute(job_id) is Outcome.SUCCEEDED


def test_progress_reaches_the_ledger(make: Callable[[Act], TestStation]) -> None:
    seen = []

    def act(request: Any, desk: Desk) -> None:
        desk.step(1, 2)
        station.intercom.speak()
        seen.append(station.job().progress.fraction)

    station = make(act)
    station.executor.execute(station.adopted())
    assert seen == [0.5]


def test_release_all_gives_running_jobs_back_uncharged(make: Callable[[Act], TestStation]) -> None:
    def act(request: Any, desk: Desk) -> None:
        assert station.pulse.release_all() == 1
        assert station.pulse.holds()[0].signal is Signal.LOST
        desk.step(1, 2)

    station = make(act)
    assert station.executor.execute(station.adopted()) is Outcome.LOST
    assert (station.job().state, station.job().attempt) == (JobState.QUEUED, 0)


def test_a_model_that_could_not_be_loaded_fails_its_jobs_and_no_others(
    make: Callable[[Act], TestStation],
) -> None:
    station = make(nothing)
    assert station.executor.execute(station.adopted("job-1", model="absent")) is Outcome.FAILED
    error = station.job().error
    assert error is not None
    assert error.code == "model_unavailable"
    assert "no folder" in error.message
    assert station.executor.execute(station.adopted("job-2")) is Outcome.SUCCEEDED
