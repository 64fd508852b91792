"""A random walk over the ledger beside a model of it in plain Python, with time that passes on command."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from brushwork_schemas.database import Database
from brushwork_schemas.job import JobError, Progress
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.ledger import Ledger, NewJob, Signal
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import JOBS, PREVIEWS, RESULTS
from brushwork_schemas.wire import Report, Wire
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

KIND = "text-to-image"
LEASE_S = 1000.0
NUM_OPEN = 3
NUMBERS = st.integers(0, NUM_OPEN - 1)
# How many fences ago the writer got its own; 0 is the current one.
AGES = st.sampled_from([0, 0, 1, 2])
DEEDS = ("progress", "complete", "fail", "stop", "release", "cancel", "renew", "lose", "lose")
WORKERS = st.sampled_from(["worker-1", "worker-2", "worker-3"])
ERROR = JobError(code="internal", message="It broke.", fault="machine")
TERMINAL = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED}


@dataclass
class ModelJob:
    """What the ledger should hold of a job."""

    max_attempts: int
    state: JobState = JobState.QUEUED
    fence: int = 0
    attempt: int = 0
    worker: str | None = None
    withdrawn: bool = False
    lease_left_s: float = 0.0
    results: list[int] = field(default_factory=list)

    def is_held(self, age: int) -> bool:
        """Whether the attempt of `age` fences ago is the one that runs."""
        return self.state is JobState.RUNNING and age == 0

    def requeue(self) -> None:
        self.state, self.worker = JobState.QUEUED, None
        self.fence += 1


class LedgerMachine(RuleBasedStateMachine):
    """Any order of submits, claims, ends, cancellations, reaps and passing time."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="brushwork-machine-"))
        shutil.copy(self.template, self.folder / "ledger.sqlite3")
        self.database = Database(f"sqlite:///{self.folder / 'ledger.sqlite3'}")
        self.ledger = Ledger(self.database, lease_s=LEASE_S)
        self.index = JobIndex(self.database)
        self.wire = Wire(self.database)
        self.model: dict[str, ModelJob] = {}
        self.ended: dict[str, JobState] = {}

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @precondition(lambda self: len(self._open()) < NUM_OPEN)
    @rule(max_attempts=st.integers(1, 3))
    def submit(self, max_attempts: int) -> None:
        job_id = f"job-{len(self.model)}"
        new = NewJob(job_id, KIND, "model", "label", {"prompt": "x"}, max_attempts)
        assert self.ledger.submit([new]) == {job_id}
        self.model[job_id] = ModelJob(max_attempts)

    @rule(number=NUMBERS)
    def submit_again(self, number: int) -> None:
        for job_id, _ in self._job(number):
            assert self.ledger.submit([NewJob(job_id, KIND, "other", "other", {}, 9)]) == set()

    @rule(number=NUMBERS, worker=WORKERS)
    def claim(self, number: int, worker: str) -> None:
        for job_id, job in self._job(number, JobState.QUEUED):
            claim = self.ledger.claim(job_id, worker)
            if job.state is not JobState.QUEUED:
                assert claim is None
                continue
            job.state, job.worker, job.lease_left_s = JobState.RUNNING, worker, LEASE_S
            job.fence += 1
            job.attempt += 1
            assert claim is not None
            assert (claim.fence, claim.attempt) == (job.fence, job.attempt)

    @rule(worker=WORKERS, deeds=st.lists(st.tuples(st.sampled_from(DEEDS), AGES), min_size=1, max_size=4))
    def attempt(self, worker: str, deeds: list[tuple[str, int]]) -> None:
        """One claim and what comes after: left to single rules alone, most attempts would never end."""
        self.claim(0, worker)
        for deed, age in deeds:
            if deed == "complete":
                self.complete(0, age, 7)
            elif deed == "cancel":
                self.cancel(0)
            elif deed == "lose":
                self.time_passes(LEASE_S * 2)
            elif deed == "renew":
                self.renew(worker)
            else:
                getattr(self, deed)(0, age)

    @rule(worker=WORKERS)
    def renew(self, worker: str) -> None:
        held = {
            job_id: job
            for job_id, job in self.model.items()
            if job.state is JobState.RUNNING and job.worker == worker
        }
        for job in held.values():
            job.lease_left_s = LEASE_S
        assert self.ledger.renew(worker) == {
            (job_id, job.fence): Signal.CANCEL if job.withdrawn else Signal.GO_ON
            for job_id, job in held.items()
        }

    @rule(number=NUMBERS, age=AGES)
    def progress(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            preview = Preview(jpeg=b"", step=job.fence - age, total=20)
            report = Report(job_id, preview.step, Progress(step=1, total=20), preview)
            assert bool(self.wire.tell([report])) is job.is_held(age)

    @rule(number=NUMBERS)
    def look(self, number: int) -> None:
        """What is shown was made by the attempt that runs."""
        for job_id, job in self._job(number):
            shown = self.wire.preview(job_id)
            assert shown is None or (job.state, shown.step) == (JobState.RUNNING, job.fence)

    @rule()
    def sweep(self) -> None:
        self.wire.sweep()
        with self.database.reading() as connection:
            left = connection.execute(select(PREVIEWS.c.job_id)).scalars()
        assert all(self.model[job_id].state is JobState.RUNNING for job_id in left)

    @rule(worker=WORKERS)
    def listen(self, worker: str) -> None:
        stops = {attempt for attempt, wish in self.wire.wishes(worker).items() if wish.stop}
        assert stops == {
            (job_id, job.fence)
            for job_id, job in self.model.items()
            if job.state is JobState.RUNNING and job.worker == worker and job.withdrawn
        }

    @rule(number=NUMBERS, age=AGES, seed=st.integers(0, 9))
    def complete(self, number: int, age: int, seed: int) -> None:
        for job_id, job in self._job(number):
            stands = self.ledger.complete(job_id, job.fence - age, {"seed": seed})
            if job.is_held(age):
                job.state = JobState.SUCCEEDED
                job.results.append(seed)
            # Once done, the same attempt may ask again; no other may.
            assert stands is (job.state is JobState.SUCCEEDED and age == 0)

    @rule(number=NUMBERS, age=AGES)
    def fail(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            done = self.ledger.fail(job_id, job.fence - age, ERROR)
            self._end(job, age, JobState.FAILED, done)

    @rule(number=NUMBERS, age=AGES)
    def stop(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            done = self.ledger.stop(job_id, job.fence - age)
            self._end(job, age, JobState.CANCELED, done)

    @rule(number=NUMBERS, age=AGES)
    def release(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            released = self.ledger.release(job_id, job.fence - age)
            assert released is job.is_held(age)
            if released and job.withdrawn:
                job.state = JobState.CANCELED
            elif released:
                job.requeue()
                job.attempt -= 1

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        for job_id, job in self._job(number):
            state = self.ledger.cancel(job_id)
            if job.state is JobState.QUEUED:
                job.state = JobState.CANCELED
            elif job.state is JobState.RUNNING:
                job.withdrawn = True
            assert state is job.state

    # No sum of these is a whole lease, so it never depends on the milliseconds that a test takes.
    @rule(seconds=st.sampled_from([LEASE_S * 0.4, LEASE_S * 2]))
    def time_passes(self, seconds: float) -> None:
        """The database's clock can't be set, so all that it wrote moves into the past instead."""
        earlier = JOBS.c.lease_expires_at - round(seconds * 1000)
        with self.database.writing() as connection:
            connection.execute(update(JOBS).values(lease_expires_at=earlier))
        for job in self.model.values():
            job.lease_left_s -= seconds
        self.reap()

    def reap(self) -> None:
        expected: dict[str, set[str]] = {"queued": set(), "failed": set(), "canceled": set()}
        for job_id, job in self.model.items():
            if job.state is not JobState.RUNNING or job.lease_left_s > 0:
                continue
            if job.withdrawn:
                job.state = JobState.CANCELED
            elif job.attempt >= job.max_attempts:
                job.state = JobState.FAILED
            else:
                job.requeue()
            expected[job.state.value].add(job_id)
        reaped = self.ledger.reap()
        assert {name: set(getattr(reaped, name)) for name in expected} == expected

    def _open(self) -> list[str]:
        return [job_id for job_id, job in self.model.items() if not job.state.is_terminal]

    def _job(self, number: int, state: JobState = JobState.RUNNING) -> list[tuple[str, ModelJob]]:
        """The job of that number, those in `state` first, then the latest; none in an empty ledger."""
        newest = reversed(self.model.items())
        return sorted(newest, key=lambda item: item[1].state is not state)[:NUM_OPEN][number:][:1]

    @staticmethod
    def _end(job: ModelJob, age: int, state: JobState, done: bool) -> None:
        assert done is job.is_held(age)
        if done:
            job.state = state

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        columns = (JOBS.c.id, JOBS.c.state, JOBS.c.fence, JOBS.c.attempt, JOBS.c.worker)
        with self.database.reading() as connection:
            rows = {row.id: row for row in connection.execute(select(*columns))}
            results = connection.execute(select(RESULTS.c.job_id, RESULTS.c.result)).all()
        assert rows.keys() == self.model.keys()
        for job_id, job in self.model.items():
            row = rows[job_id]
            assert (row.state, row.fence, row.attempt) == (job.state, job.fence, job.attempt)
            assert 0 <= row.attempt <= job.max_attempts
            if job.state is JobState.RUNNING:
                assert row.worker == job.worker
        stored = [(row.job_id, row.result["seed"]) for row in results]
        assert sorted(stored) == sorted(
            (job_id, seed) for job_id, job in self.model.items() for seed in job.results
        )
        assert all(len(job.results) == (job.state is JobState.SUCCEEDED) for job in self.model.values())

    @invariant()
    def a_terminal_state_never_changes(self) -> None:
        states = {job_id: self.index.state(job_id)[0] for job_id in self.model}
        assert self.ended.items() <= states.items()
        self.ended = {job_id: state for job_id, state in states.items() if state in TERMINAL}


def test_the_ledger_agrees_with_its_model(migrated_file: Path) -> None:
    machine = type("Machine", (LedgerMachine,), {"template": migrated_file})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=50, stateful_step_count=40, deadline=None, database=None)
    )
