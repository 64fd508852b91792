"""The path of one job in a worker: every way an attempt can end."""

import json
import logging
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
from brushwork_core.database.database import Database
from brushwork_core.ledger import Signal
from brushwork_core.telemetry.log import ContextFilter, JsonLines
from brushwork_schemas.errors import InvalidImage, ServiceUnreachable
from brushwork_schemas.states import JobState
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.interface import JobContext
from sqlalchemy import text

from tests.stations import WORKER, Make, TestStation, nothing, raising


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Make]:
    database = Database(sqlite_url)
    yield lambda act: TestStation(database, tmp_path, act)
    database.close()


def test_a_job_succeeds_with_all_it_takes_to_make_it_again(make: Make) -> None:
    worker_process = make(nothing)
    outcome = worker_process.execute(worker_process.adopted(seed=5))
    job = worker_process.job()
    assert outcome is Outcome.SUCCEEDED
    assert job.state is JobState.SUCCEEDED
    assert job.result is not None
    provenance = job.result.provenance
    assert (provenance.model, provenance.attempt, provenance.worker) == ("stub", 1, WORKER)
    assert len(provenance.model_revision) == 64
    assert provenance.versions["torch"] == torch.__version__.split("+")[0]
    assert provenance.timings.queued_s >= 0
    assert provenance.timings.running_s >= 0
    assert worker_process.store.has(job.result.images[0].sha256)


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
    worker_process = make(raising(error))
    assert worker_process.execute(worker_process.adopted()) is Outcome.FAILED
    failed = worker_process.job().error
    assert failed is not None
    assert (failed.code, failed.fault) == (code, fault)
    assert failed.hint or failed.field
    assert worker_process.running.attempts() == []


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

    def act(request: Any, context: JobContext) -> None:
        if errors:
            raise errors.pop()

    worker_process = make(act)
    job_id = worker_process.adopted()
    assert worker_process.execute(job_id) is Outcome.RETRIED
    job = worker_process.job()
    assert (job.state, job.attempt, job.error) == (JobState.QUEUED, 1, None)
    assert job.last_error is not None
    assert job.last_error.code == code
    assert worker_process.execute(job_id) is Outcome.SUCCEEDED
    assert worker_process.job().attempt == 2


def test_the_machine_s_fault_is_the_end_once_the_attempts_are_used_up(make: Make) -> None:
    worker_process = make(raising(OSError("no room")))
    job_id = worker_process.adopted()
    outcomes = [worker_process.execute(job_id) for _ in range(3)]
    assert outcomes == [Outcome.RETRIED, Outcome.RETRIED, Outcome.FAILED]
    assert worker_process.job().state is JobState.FAILED


def test_too_little_memory_even_alone_is_the_end(make: Make) -> None:
    worker_process = make(raising(MemoryError()))
    job_id = worker_process.adopted()
    assert [worker_process.execute(job_id) for _ in range(2)] == [Outcome.RETRIED, Outcome.FAILED]
    assert worker_process.job().attempt == 2


def test_a_job_leaves_at_its_deadline(make: Make) -> None:
    def act(request: Any, context: JobContext) -> None:
        worker_process.running.attempts()[0]._deadline = 0.0
        worker_process.progress_sync.receive()
        context.progress(1, 2)

    worker_process = make(act)
    assert worker_process.execute(worker_process.adopted(deadline_s=3600)) is Outcome.EXPIRED
    assert (worker_process.job().state, worker_process.job().progress.step) == (JobState.EXPIRED, 1)


def test_an_internal_error_tells_its_type_and_no_private_words(make: Make) -> None:
    worker_process = make(raising(ValueError("the secret prompt")))
    worker_process.execute(worker_process.adopted())
    error = worker_process.job().error
    assert error is not None
    assert "ValueError" in error.message
    assert "secret" not in error.model_dump_json()


def test_a_job_that_succeeded_has_done_all_its_steps(make: Make) -> None:
    worker_process = make(lambda request, context: [context.progress(step, 20) for step in range(1, 21)])
    worker_process.execute(worker_process.adopted())
    assert (worker_process.job().progress.step, worker_process.job().progress.total) == (20, 20)


def test_a_job_that_has_ended_is_not_claimed_again(make: Make) -> None:
    worker_process = make(nothing)
    job_id = worker_process.adopted()
    assert worker_process.execute(job_id) is Outcome.SUCCEEDED
    assert worker_process.execute(job_id) is worker_process.execute("nobody") is None
    assert worker_process.job().attempt == 1


def test_a_database_that_is_away_costs_no_job(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    worker_process = TestStation(database, tmp_path, nothing)
    job_id = worker_process.adopted()
    _rename(database, "jobs", "away")
    assert worker_process.execute(job_id) is None
    _rename(database, "away", "jobs")
    assert worker_process.execute(job_id) is Outcome.SUCCEEDED
    database.close()


def _rename(database: Database, table: str, name: str) -> None:
    with database.writing() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


@pytest.mark.parametrize("ear", ["heartbeat.beat", "progress_sync.receive"])
def test_a_canceled_job_leaves_at_its_next_step(ear: str, make: Make) -> None:
    steps: list[int] = []

    def act(request: Any, context: JobContext) -> None:
        for step in range(1, 4):
            if step == 2:
                worker_process.ledger.cancel("job-1")
                attrgetter(ear)(worker_process)()
            context.progress(step, 3)
            steps.append(step)

    worker_process = make(act)
    assert worker_process.execute(worker_process.adopted()) is Outcome.CANCELED
    assert worker_process.job().state is JobState.CANCELED
    assert worker_process.job().progress.step == 2
    assert steps == [1]


def test_a_job_whose_model_is_not_there_yet_makes_it_loaded_and_runs(make: Make) -> None:
    worker_process = make(nothing)
    assert worker_process.model_manager.sizes().keys() == {"stub"}
    assert worker_process.execute(worker_process.adopted(model="large")) is Outcome.SUCCEEDED
    assert worker_process.job().attempt == 1
    assert not worker_process.column("job-1", "is_performing")


def test_a_job_whose_model_has_no_turn_goes_back_uncharged(make: Make) -> None:
    worker_process = make(nothing)
    worker_process.model_manager.stop_loading()
    job_id = worker_process.adopted(model="large")
    assert worker_process.execute(job_id) is Outcome.POSTPONED
    assert (worker_process.job().state, worker_process.job().attempt, worker_process.job().error) == (
        JobState.QUEUED,
        0,
        None,
    )
    assert worker_process.execute(worker_process.adopted("job-2")) is Outcome.SUCCEEDED, "its model is here"


def test_a_job_whose_lease_went_away_writes_nothing(make: Make) -> None:
    def act(request: Any, context: JobContext) -> None:
        worker_process.ledger.release("job-1", fence=1)
        worker_process.heartbeat.beat()
        context.progress(1, 2)

    worker_process = make(act)
    assert worker_process.execute(worker_process.adopted()) is Outcome.LOST
    assert worker_process.job().state is JobState.QUEUED


def test_a_late_result_is_refused(make: Make) -> None:
    """The lease is lost and the job does not notice before it is done."""

    def act(request: Any, context: JobContext) -> None:
        worker_process.ledger.release("job-1", fence=1)

    worker_process = make(act)
    assert worker_process.execute(worker_process.adopted()) is Outcome.LOST
    assert worker_process.job().result is None


def test_an_attempt_that_nobody_runs_is_given_back(make: Make) -> None:
    worker_process = make(nothing)
    job_id = worker_process.adopted()
    worker_process.ledger.claim(job_id, WORKER)  # the answer was lost on its way
    worker_process.heartbeat.beat()
    assert worker_process.job().state is JobState.RUNNING, "it may just have been claimed"
    worker_process.heartbeat.beat()
    assert (worker_process.job().state, worker_process.job().attempt) == (JobState.QUEUED, 0)
    assert worker_process.execute(job_id) is Outcome.SUCCEEDED


@pytest.mark.parametrize("model", ["stub", "large", "absent"])
def test_every_line_of_the_log_names_the_job(
    make: Make, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker_process = make(nothing)
    job_id = worker_process.adopted(model=model)
    caplog.clear()
    caplog.set_level(logging.INFO, "brushwork_workers")
    caplog.handler.addFilter(ContextFilter())
    worker_process.execute(job_id)
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records]
    assert {line.get("job") for line in lines} == {job_id}
    # Also those of the thread that loads a model for the job.
    assert any("model_loader" in line["logger"] for line in lines) == (model == "large")


def test_progress_reaches_the_ledger(make: Make) -> None:
    seen = []

    def act(request: Any, context: JobContext) -> None:
        context.progress(1, 2)
        worker_process.progress_sync.report()
        seen.append(worker_process.job().progress.fraction)

    worker_process = make(act)
    worker_process.execute(worker_process.adopted())
    assert seen == [0.5]


def test_release_all_gives_running_jobs_back_uncharged(make: Make) -> None:
    def act(request: Any, context: JobContext) -> None:
        assert worker_process.heartbeat.release_all() == 1
        assert worker_process.running.attempts()[0].signal is Signal.LOST
        context.progress(1, 2)

    worker_process = make(act)
    assert worker_process.execute(worker_process.adopted()) is Outcome.LOST
    assert (worker_process.job().state, worker_process.job().attempt) == (JobState.QUEUED, 0)


def test_a_model_that_could_not_be_loaded_fails_its_jobs_and_no_others(make: Make) -> None:
    worker_process = make(nothing)
    worker_process.adopted("job-1", model="absent")
    assert worker_process.execute("job-1") is Outcome.FAILED, "no other worker has it"
    assert worker_process.job().attempt == 1
    error = worker_process.job().error
    assert error is not None
    assert error.code == "model_not_here"
    assert "does not exist" in error.message
    assert worker_process.execute(worker_process.adopted("job-2")) is Outcome.SUCCEEDED
