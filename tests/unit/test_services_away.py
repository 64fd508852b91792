"""A worker whose store or database is away: nothing is charged, thrown away or done twice."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Signal
from brushwork_schemas.errors import InvalidImage, ServiceUnreachable
from brushwork_schemas.states import JobState
from brushwork_workers.execution.attempt_result import Outcome
from brushwork_workers.execution.held_files import HeldFiles
from brushwork_workers.execution.service_health import Service
from brushwork_workers.interface import JobContext
from sqlalchemy import text

from tests.servers import wait_until
from tests.stations import WORKER, Act, TestStation, nothing

LIMIT_S = 20.0


def away(*_: object, **__: object) -> Any:
    raise ServiceUnreachable("The artifact store does not answer: refused.", field="artifacts_url")


class Station(TestStation):
    """A worker's parts; its store goes away and comes back."""

    def close_store(self) -> None:
        for name in ("put", "get", "remove_if_old"):
            setattr(self.store, name, away)

    def open_store(self) -> None:
        for name in ("put", "get", "remove_if_old"):
            self.store.__dict__.pop(name, None)

    def start(self, job_id: str) -> "Future[Outcome]":
        """Run a job that is finished and then waits for the store."""
        running = self.threads.submit(self.execute, job_id)
        wait_until(
            lambda: (
                self.running.attempts() and not self.column(job_id, "is_performing") and self.held.num_files
            ),
            bound_s=LIMIT_S,
            what="a finished job that waits for the store",
        )
        return running

    threads: ThreadPoolExecutor


Make = Callable[[Act], Station]


@pytest.fixture
def make(sqlite_url: str, tmp_path: Path) -> Iterator[Make]:
    database = Database(sqlite_url)
    with ThreadPoolExecutor(4) as threads:

        def made(act: Act) -> Station:
            station = Station(database, tmp_path, act)
            station.threads = threads
            return station

        yield made
    database.close()


class TestFinishedPictures:
    def test_they_are_held_and_written_when_the_store_is_back(self, make: Make) -> None:
        begun: list[str] = []
        worker = make(lambda request, context: begun.append(context.job_id))
        job_id = worker.adopted()
        worker.close_store()
        running = worker.start(job_id)
        job = worker.job()
        assert (job.state, job.attempt) == (JobState.RUNNING, 1)
        assert job.last_error is not None
        assert job.last_error.code == "service_unreachable", "the reason is shown while the job waits"
        residency = worker.model_manager._residency
        assert residency._residents["stub"].num_users == 0, "another job may use the model or replace it"
        worker.open_store()
        worker.health[Service.STORE].check()
        assert running.result(LIMIT_S) is Outcome.SUCCEEDED
        job = worker.job()
        assert (job.attempt, begun, worker.held.num_files) == (1, [job_id], 0)
        assert job.result is not None
        assert worker.store.has(job.result.images[0].sha256)

    def test_a_held_job_can_be_canceled(self, make: Make) -> None:
        worker = make(nothing)
        job_id = worker.adopted()
        worker.close_store()
        running = worker.start(job_id)
        worker.ledger.cancel(job_id)
        worker.progress_sync.receive()
        assert running.result(LIMIT_S) is Outcome.CANCELED
        assert (worker.job().state, worker.held.num_files) == (JobState.CANCELED, 0)

    def test_a_held_job_ends_at_its_deadline(self, make: Make) -> None:
        worker = make(nothing)
        job_id = worker.adopted(deadline_s=3600)
        worker.close_store()
        running = worker.start(job_id)
        worker.running.attempts()[0]._deadline = 0.0
        assert running.result(LIMIT_S) is Outcome.EXPIRED
        assert worker.job().state is JobState.EXPIRED

    def test_a_worker_that_stops_gives_a_held_job_back(self, make: Make) -> None:
        worker = make(nothing)
        job_id = worker.adopted()
        worker.close_store()
        running = worker.start(job_id)
        assert worker.heartbeat.release_all() == 1
        assert running.result(LIMIT_S) is Outcome.LOST
        assert (worker.job().state, worker.job().attempt) == (JobState.QUEUED, 0)

    def test_a_worker_that_dies_with_a_held_job_costs_it_no_attempt(self, make: Make) -> None:
        worker = make(nothing)
        job_id = worker.adopted()
        worker.close_store()
        running = worker.start(job_id)
        worker.ledger.reap([WORKER])
        job = worker.job()
        assert (job.state, job.attempt, worker.column(job_id, "suspicion")) == (JobState.QUEUED, 0, None)
        worker.heartbeat.beat()
        assert running.result(LIMIT_S) is Outcome.LOST

    def test_leases_are_renewed_meanwhile(self, make: Make) -> None:
        worker = make(nothing)
        job_id = worker.adopted()
        worker.close_store()
        running = worker.start(job_id)
        before = worker.column(job_id, "lease_expires_at")
        wait_until(lambda: time.time() * 1000 > float(str(before)) - 30_000 + 5, bound_s=5)
        worker.heartbeat.beat()
        assert float(str(worker.column(job_id, "lease_expires_at"))) > float(str(before))
        assert worker.running.attempts()[0].idle_s < 2.0, "it does not count as stalled"
        worker.running.attempts()[0].receive(Signal.LOST)
        assert running.result(LIMIT_S) is Outcome.LOST

    def test_after_the_limit_the_job_fails_with_the_reason(self, make: Make) -> None:
        worker = make(nothing)
        worker.files.limit_s = 0.3
        worker.close_store()
        assert worker.execute(worker.adopted()) is Outcome.FAILED
        job = worker.job()
        assert job.error is not None
        assert (job.error.code, job.attempt, job.error.message) == (
            "service_unreachable",
            1,
            "The artifact store does not answer: refused.",
        )

    def test_a_job_whose_files_have_no_room_goes_back_uncharged(self, make: Make) -> None:
        worker = make(nothing)
        worker.files.held = HeldFiles(0, 0, Path("nowhere"))
        worker.close_store()
        assert worker.execute(worker.adopted()) is Outcome.UNSERVED
        job = worker.job()
        assert (job.state, job.attempt) == (JobState.QUEUED, 0)
        assert job.last_error is not None
        assert "BRUSHWORK_HELD_MEMORY_GB" in (job.last_error.hint or "")

    def test_a_file_that_the_store_refuses_while_it_takes_others_counts(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as one whose folder has other permissions: it must not keep the worker waiting for a day."""
        monkeypatch.setattr("brushwork_workers.execution.attempt_files.REFUSED_LIMIT_S", 0.0)
        worker = make(nothing)
        store, put = worker.store, worker.store.put
        monkeypatch.setattr(store, "put", lambda data: away() if data.startswith(b"\x89PNG") else put(data))
        ended = threading.Event()

        def check() -> None:
            while not ended.wait(0.05):
                worker.health[Service.STORE].check()

        checking = worker.threads.submit(check)
        job_id = worker.adopted()
        try:
            assert worker.threads.submit(worker.execute, job_id).result(LIMIT_S) is Outcome.RETRIED
        finally:
            ended.set()
            checking.result(LIMIT_S)
        assert (worker.job().state, worker.job().attempt) == (JobState.QUEUED, 1)


class TestInputs:
    def reading(self, made: list[str]) -> Act:
        def act(request: Any, context: JobContext) -> None:
            made.append(context.job_id)
            context.file("0" * 64)

        return act

    def test_a_job_whose_input_cannot_be_read_goes_back_uncharged(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("brushwork_workers.execution.service_patience.INPUT_LIMIT_S", 0.2)
        worker = make(self.reading([]))
        job_id = worker.adopted()
        worker.close_store()
        assert worker.execute(job_id) is Outcome.UNSERVED
        job = worker.job()
        assert (job.state, job.attempt, job.error) == (JobState.QUEUED, 0, None)
        assert job.retry_at is not None
        assert job.last_error is not None
        assert job.last_error.code == "service_unreachable"

    def test_a_short_interruption_is_waited_for(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[str] = []
        worker = make(self.reading(made))
        answers: list[Any] = [away, away, lambda sha256: b"here"]
        monkeypatch.setattr(worker.store, "get", lambda sha256: answers.pop(0)(sha256))
        # The check of the store succeeds meanwhile.
        monkeypatch.setattr(worker.store, "check", lambda: None)
        job_id = worker.adopted()
        running = worker.threads.submit(worker.execute, job_id)
        wait_until(lambda: not answers or worker.health[Service.STORE].check(), bound_s=LIMIT_S)
        assert running.result(LIMIT_S) is Outcome.SUCCEEDED
        assert (worker.job().attempt, made) == (1, [job_id])

    def test_one_file_that_cannot_be_read_is_no_outage(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else a job with a damaged file would go round for ever."""
        monkeypatch.setattr("brushwork_workers.execution.service_patience.INPUT_LIMIT_S", 0.0)
        worker = make(self.reading([]))
        get = worker.store.get
        monkeypatch.setattr(worker.store, "get", lambda sha256: away() if sha256 == "0" * 64 else get(sha256))
        assert worker.execute(worker.adopted()) is Outcome.RETRIED
        assert worker.job().attempt == 1

    def test_the_caller_s_fault_stays_the_caller_s(self, make: Make) -> None:
        def act(request: Any, context: JobContext) -> None:
            raise InvalidImage("image: damaged", field="image")

        worker = make(act)
        worker.health[Service.STORE].failed(ServiceUnreachable("away", field="artifacts_url"))
        worker.health[Service.STORE].answered()
        assert worker.execute(worker.adopted()) is Outcome.FAILED

    def test_no_job_is_claimed_meanwhile(self, make: Make) -> None:
        """See `WorkerProcess._may_claim`. The message, or a look of the leader, is there for another."""
        worker = make(nothing)
        worker.adopted()
        assert worker.health.takes_work
        worker.health[Service.STORE].failed(ServiceUnreachable("away", field="artifacts_url"))
        assert not worker.health.takes_work
        with worker.pool(may_claim=lambda: worker.health.takes_work) as jobs:
            jobs.wake()
            assert (worker.job().state, worker.ledger.has_backlog(["text-to-image"])) == (
                JobState.QUEUED,
                True,
            )
            worker.health[Service.STORE].answered()
            jobs.wake()
            wait_until(lambda: worker.job().state is JobState.SUCCEEDED, bound_s=LIMIT_S)
        assert worker.job().attempt == 1


def test_a_checkpoint_is_skipped_while_the_store_is_away(make: Make) -> None:
    seen: list[object] = []

    def act(request: Any, context: JobContext) -> None:
        context.save_checkpoint(b"one", [1])
        worker.close_store()
        context.save_checkpoint(b"two", [1, 2])
        worker.open_store()
        worker.health[Service.STORE].check()
        found = context.checkpoint()
        seen.append(found and found.data)

    worker = make(act)
    assert worker.execute(worker.adopted()) is Outcome.SUCCEEDED
    assert (seen, worker.job().attempt) == ([b"one"], 1)


def test_a_finished_job_waits_for_the_database_longer_than_a_lease(make: Make, sqlite_url: str) -> None:
    """The patience of this worker is half a second."""
    begun: list[str] = []

    def act(request: Any, context: JobContext) -> None:
        begun.append(context.job_id)
        rename("jobs", "away")

    def rename(table: str, name: str) -> None:
        with database.writing() as connection:
            connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))

    database = Database(sqlite_url)
    worker = make(act)
    job_id = worker.adopted()
    running = worker.threads.submit(worker.execute, job_id)
    wait_until(lambda: worker.health[Service.DATABASE].is_away, bound_s=LIMIT_S, what="the database away")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() > began + 1.5, bound_s=LIMIT_S)
    assert not running.done()
    rename("away", "jobs")
    assert running.result(LIMIT_S) is Outcome.SUCCEEDED
    assert (worker.job().attempt, begun) == (1, [job_id])
    assert not worker.health[Service.DATABASE].is_away
    database.close()
