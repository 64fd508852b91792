"""A random walk over the ledger beside a model of it in plain Python, with time that passes on command."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from brushwork_schemas.database import Database
from brushwork_schemas.job import JobError
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.ledger import Ledger, NewJob, Signal
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import JOBS, RESULTS
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, update

KIND = "text-to-image"
LEASE_S = 1000.0
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

    def held_by(self, fence: int) -> bool:
        return self.state is JobState.RUNNING and self.fence == fence

    def requeue(self) -> None:
        self.state, self.worker = JobState.QUEUED, None
        self.fence += 1


class LedgerMachine(RuleBasedStateMachine):
    """Any order of submits, claims, ends, cancellations, reaps and passing time."""

    template: Path
    jobs = Bundle("jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="brushwork-machine-"))
        shutil.copy(self.template, self.folder / "ledger.sqlite3")
        self.database = Database(f"sqlite:///{self.folder / 'ledger.sqlite3'}")
        self.ledger = Ledger(self.database, lease_s=LEASE_S)
        self.index = JobIndex(self.database)
        self.model: dict[str, ModelJob] = {}
        self.ended: dict[str, JobState] = {}

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(target=jobs, max_attempts=st.integers(1, 3))
    def submit(self, max_attempts: int) -> str:
        job_id = f"job-{len(self.model)}"
        new = NewJob(job_id, KIND, "model", "label", {"prompt": "x"}, max_attempts)
        assert self.ledger.submit([new]) == {job_id}
        self.model[job_id] = ModelJob(max_attempts)
        return job_id

    @rule(job_id=jobs)
    def submit_again(self, job_id: str) -> None:
        assert self.ledger.submit([NewJob(job_id, KIND, "other", "other", {}, 9)]) == set()

    @rule(target=claims, job_id=jobs, worker=WORKERS)
    def claim(self, job_id: str, worker: str) -> object:
        job, claim = self.model[job_id], self.ledger.claim(job_id, worker)
        if job.state is not JobState.QUEUED:
            assert claim is None
            return multiple()
        job.state, job.worker, job.lease_left_s = JobState.RUNNING, worker, LEASE_S
        job.fence += 1
        job.attempt += 1
        assert claim is not None
        assert (claim.fence, claim.attempt) == (job.fence, job.attempt)
        return job_id, claim.fence

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

    @rule(claim=claims, step=st.integers(1, 20))
    def progress(self, claim: tuple[str, int], step: int) -> None:
        job_id, fence = claim
        job, signal = self.model[job_id], self.ledger.progress(job_id, fence, step, 20)
        if not job.held_by(fence):
            assert signal is Signal.LOST
        else:
            assert signal is (Signal.CANCEL if job.withdrawn else Signal.GO_ON)

    @rule(claim=claims, seed=st.integers(0, 9))
    def complete(self, claim: tuple[str, int], seed: int) -> None:
        job_id, fence = claim
        job, stands = self.model[job_id], self.ledger.complete(job_id, fence, {"seed": seed})
        if job.held_by(fence):
            job.state = JobState.SUCCEEDED
            job.results.append(seed)
        # Once done, the same attempt may ask again; no other may.
        assert stands is (job.state is JobState.SUCCEEDED and job.fence == fence)

    @rule(claim=consumes(claims))
    def fail(self, claim: tuple[str, int]) -> None:
        self._end(claim, JobState.FAILED, self.ledger.fail(*claim, ERROR))

    @rule(claim=consumes(claims))
    def stop(self, claim: tuple[str, int]) -> None:
        self._end(claim, JobState.CANCELED, self.ledger.stop(*claim))

    def _end(self, claim: tuple[str, int], state: JobState, done: bool) -> None:
        job = self.model[claim[0]]
        assert done is job.held_by(claim[1])
        if done:
            job.state = state

    @rule(claim=claims)
    def release(self, claim: tuple[str, int]) -> None:
        job, released = self.model[claim[0]], self.ledger.release(*claim)
        assert released is job.held_by(claim[1])
        if released and job.withdrawn:
            job.state = JobState.CANCELED
        elif released:
            job.requeue()
            job.attempt -= 1

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        job, state = self.model[job_id], self.ledger.cancel(job_id)
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

    @rule()
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
        machine, settings=settings(max_examples=30, stateful_step_count=40, deadline=None, database=None)
    )
