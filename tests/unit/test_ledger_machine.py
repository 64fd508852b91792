"""A random walk over the ledger beside a model of it, with time that passes and crashes on command."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS, PREVIEWS, RESULTS, WORKERS
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import ClaimOrder, Completion, Ledger, NewJob, Signal, WriteOutcome
from brushwork_core.ledger.attempts import OWN_ERROR
from brushwork_core.ledger.claim_order import ClaimedFor
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.job import JobError, Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select, update

from tests.crashes import CrashingLedger
from tests.jobs import KIND, hurry, mark_sent, overdue
from tests.ledger_model import LedgerModel, ModelJob

LEASE_S = 1000.0
NUM_OPEN = 4
LATER_MS = 2**60
NUMBERS = st.integers(0, NUM_OPEN - 1)
# How many fences ago the writer got its own; 0 is the current one.
AGES = st.sampled_from([0, 0, 1, 2])
DEEDS = (
    *("progress", "complete", "fail", "stop", "expire", "release", "perform", "retry"),
    *("cancel", "renew", "lose", "lose", "crash"),
)
NAMES = ("worker-1", "worker-2", "worker-3")
WORKERS_HERE = st.sampled_from(NAMES)
TENANTS = st.sampled_from(["", "a", "b"])
ERROR = JobError(code="internal", message="It broke.", fault="machine")
TERMINAL = {state for state in JobState if state.is_terminal}
Attempts = list[tuple[str, ModelJob]]


class LedgerMachine(RuleBasedStateMachine):
    """Any order of operations, each of which may break off at any of its statements and is then repeated."""

    template: Path
    num_crashes = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="brushwork-machine-"))
        shutil.copy(self.template, self.folder / "ledger.sqlite3")
        self.database = Database(f"sqlite:///{self.folder / 'ledger.sqlite3'}")
        self.crashing = CrashingLedger(Ledger(self.database, lease_s=LEASE_S), self.database, repeats=True)
        self.ledger: Any = self.crashing
        self.index = JobIndex(self.database)
        self.job_signals = JobSignals(self.database)
        self.model = LedgerModel()
        self.ended: dict[str, JobState] = {}

    def teardown(self) -> None:
        type(self).num_crashes += self.crashing.num_crashes
        self.crashing.close()
        self.database.close()
        shutil.rmtree(self.folder)

    @rule(statements=st.integers(0, 8))
    def crash(self, statements: int) -> None:
        """The next operation breaks off there, if it comes so far."""
        self.crashing.arm(statements)

    @precondition(lambda self: len(self._open()) < NUM_OPEN)
    @rule(max_attempts=st.integers(1, 3), tenant=TENANTS, is_told=st.booleans())
    def submit(self, max_attempts: int, tenant: str, is_told: bool) -> None:
        job_id = f"job-{len(self.model.jobs):04}"
        self.model.submit(job_id, ModelJob(max_attempts, tenant, is_told))
        url = "https://receiver.example" if is_told else None
        new = NewJob(job_id, KIND, "model", "label", {}, max_attempts, tenant=tenant, webhook_url=url)
        assert self.ledger.submit([new]).new == {job_id}

    @rule(number=NUMBERS)
    def submit_again(self, number: int) -> None:
        for job_id, _ in self._job(number):
            assert not self.ledger.submit([NewJob(job_id, KIND, "other", "other", {}, 9)]).new

    @rule(number=NUMBERS, worker=WORKERS_HERE)
    def claim(self, number: int, worker: str) -> None:
        for job_id, job in self._job(number, JobState.QUEUED):
            claim = self.ledger.claim(job_id, worker)
            if not self.model.claim(job, worker, LEASE_S):
                assert claim is None
                continue
            assert (claim.fence, claim.attempt) == (job.fence, job.attempt)
            assert claim.alone is not job.performing

    @rule(
        worker=WORKERS_HERE, deeds=st.lists(st.tuples(st.sampled_from(DEEDS), AGES), min_size=1, max_size=4)
    )
    def attempt(self, worker: str, deeds: list[tuple[str, int]]) -> None:
        """One claim and what comes after: left to single rules alone, most attempts would never end."""
        self.claim(0, worker)
        for deed, age in deeds:
            if deed == "complete":
                self.complete(0, age, 7)
            elif deed == "cancel":
                self.cancel(0)
            elif deed == "lose":
                self.time_passes(LEASE_S * 2, set(), set())
            elif deed == "renew":
                self.renew(worker)
            elif deed == "crash":
                self.crash(age + 1)
            elif deed == "retry":
                self.retry(0, age, paused=False, avoids=False, alone=False)
            else:
                getattr(self, deed)(0, age)

    @rule(number=NUMBERS, age=AGES)
    def perform(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            begun = self.ledger.perform(job_id, job.fence - age)
            assert begun is WriteOutcome.of(job.is_held(age))
            job.performing = job.performing or job.is_held(age)

    @rule(worker=WORKERS_HERE)
    def renew(self, worker: str) -> None:
        held = self.model.running(worker)
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
            report = ProgressReport(job_id, preview.step, Progress(step=1, total=20), preview)
            assert bool(self.job_signals.report_progress([report])) is job.is_held(age)

    @rule(number=NUMBERS)
    def look(self, number: int) -> None:
        """What is shown was made by the attempt that runs."""
        for job_id, job in self._job(number):
            shown = self.job_signals.preview(job_id)
            assert shown is None or (job.state, shown.step) == (JobState.RUNNING, job.fence)

    @rule()
    def sweep(self) -> None:
        self.job_signals.sweep()
        with self.database.reading() as connection:
            left = connection.execute(select(PREVIEWS.c.job_id)).scalars()
        assert all(self.model.jobs[job_id].state is JobState.RUNNING for job_id in left)

    @rule(worker=WORKERS_HERE)
    def listen(self, worker: str) -> None:
        stops = {attempt for attempt, wish in self.job_signals.signals(worker).items() if wish.stop}
        running = self.model.running(worker).items()
        assert stops == {(job_id, job.fence) for job_id, job in running if job.withdrawn}

    @rule(number=NUMBERS, age=AGES, seed=st.integers(0, 9))
    def complete(self, number: int, age: int, seed: int) -> None:
        for job_id, job in self._job(number):
            stands = self.ledger.complete(job_id, job.fence - age, {"seed": seed})
            if job.is_held(age):
                job.end(JobState.SUCCEEDED)
                job.results.append(seed)
            # Once done, the same attempt may ask again; no other may.
            assert stands is WriteOutcome.of(job.state is JobState.SUCCEEDED and age == 0)

    @rule(number=NUMBERS, age=AGES)
    def fail(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            self._end(job, age, JobState.FAILED, self.ledger.fail(job_id, job.fence - age, ERROR))

    @rule(number=NUMBERS, age=AGES)
    def stop(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            self._end(job, age, JobState.CANCELED, self.ledger.stop(job_id, job.fence - age))

    @rule(number=NUMBERS, age=AGES)
    def expire(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            self._end(job, age, JobState.EXPIRED, self.ledger.expire(job_id, job.fence - age))

    @rule(number=NUMBERS, age=AGES)
    def release(self, number: int, age: int) -> None:
        for job_id, job in self._job(number):
            released = self.ledger.release(job_id, job.fence - age)
            assert released is WriteOutcome.of(job.is_held(age))
            if released is WriteOutcome.APPLIED:
                self.model.give_back(job, charged=False)

    @rule(number=NUMBERS, age=AGES, paused=st.booleans(), avoids=st.booleans(), alone=st.booleans())
    def retry(self, number: int, age: int, paused: bool, avoids: bool, alone: bool) -> None:
        for job_id, job in self._job(number):
            avoided = job.worker if avoids else None
            after_s = LEASE_S if paused else 0.0
            again = self.ledger.retry(
                job_id, job.fence - age, ERROR, after_s=after_s, avoid=avoided, alone=alone
            )
            assert again is WriteOutcome.of(job.is_held(age))
            if again is WriteOutcome.LEASE_LOST:
                continue
            self.model.give_back(job, charged=True)
            if job.state is JobState.QUEUED:
                job.paused, job.avoids = paused, avoided if paused else None
                job.suspicion = OWN_ERROR if alone else job.suspicion

    @rule()
    def pauses_end(self) -> None:
        hurry(self.database, *self.model.jobs)
        for job in self.model.jobs.values():
            job.paused, job.avoids = False, None

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        for job_id, job in self._job(number):
            state = self.ledger.cancel(job_id)
            if job.state is JobState.QUEUED:
                job.end(JobState.CANCELED)
            elif job.state is JobState.RUNNING:
                job.withdrawn = True
            assert state is job.state

    @rule(number=NUMBERS)
    def deadline_passes(self, number: int) -> None:
        for job_id, job in self._job(number):
            overdue(self.database, job_id)
            job.overdue = True

    @rule()
    def expire_queued(self) -> None:
        late = self.model.expire_queued()
        assert set(self.ledger.expire_queued()) == late

    @rule(limit=st.integers(0, NUM_OPEN), worker=WORKERS_HERE, after=st.none() | TENANTS)
    def claim_next(self, limit: int, worker: str, after: str | None) -> None:
        order = ClaimOrder([KIND])
        # Later than every job that runs.
        order.note([] if after is None else [ClaimedFor(KIND, after, LATER_MS)])
        assert self.ledger.has_backlog([KIND], worker) is bool(self.model.waiting(worker))
        claims = self.ledger.claim_next(order, worker, limit)
        self.model.expect_claims([claim.job_id for claim in claims.jobs], worker, limit, after)
        assert claims.more is (0 < limit == len(claims.jobs))
        for claim in claims.jobs:
            job = self.model.jobs[claim.job_id]
            assert self.model.claim(job, worker, LEASE_S)
            assert (claim.fence, claim.attempt) == (job.fence, job.attempt)
            assert claim.alone is not job.performing

    @rule(
        tenants=st.lists(TENANTS, min_size=NUM_OPEN, max_size=NUM_OPEN),
        claims=st.lists(st.tuples(st.integers(1, 3), st.none() | TENANTS), min_size=2, max_size=3),
        workers=st.lists(WORKERS_HERE, min_size=3, max_size=3),
    )
    def rush(self, tenants: list[str], claims: list[tuple[int, str | None]], workers: list[str]) -> None:
        """Several tenants at once: left to single rules alone, there would seldom be a choice."""
        for tenant in tenants:
            if len(self._open()) < NUM_OPEN:
                self.submit(2, tenant, False)
        for (limit, after), worker in zip(claims, workers, strict=False):
            self.claim_next(limit, worker, after)

    @rule(number=NUMBERS)
    def send(self, number: int) -> None:
        """As an older program, which sends a message for each job."""
        for job_id, job in self._job(number, JobState.QUEUED):
            mark_sent(self.database, job_id)
            job.dispatched = job.state is JobState.QUEUED

    @rule(worker=WORKERS_HERE)
    def claim_sent(self, worker: str) -> None:
        """The messages of all open jobs arrive, also of those that have none, or run."""
        sent = self._open()
        claims = {claim.job_id: claim for claim in self.ledger.claim_sent(sent, worker)}
        for job_id in sent:
            job = self.model.jobs[job_id]
            assert self.model.claim_sent(job, worker, LEASE_S) is (job_id in claims)
            if job_id in claims:
                assert (claims[job_id].fence, claims[job_id].attempt) == (job.fence, job.attempt)

    @rule()
    def forget_messages(self) -> None:
        assert self.ledger.forget_messages(-60) == self.model.forget_messages()

    @rule(ages=st.lists(AGES, min_size=NUM_OPEN, max_size=NUM_OPEN), total=st.sampled_from([None, 3]))
    def complete_many(self, ages: list[int], total: int | None) -> None:
        jobs = list(self.model.jobs.items())[-NUM_OPEN:]
        progress = None if total is None else Progress(step=1, total=total)
        completions = [
            Completion(job_id, job.fence - age, {"seed": age}, (), progress if number % 2 else None)
            for number, (age, (job_id, job)) in enumerate(zip(ages, jobs, strict=False))
        ]
        outcomes = self.ledger.complete_many(completions)
        for age, (_, job), outcome in zip(ages, jobs, outcomes, strict=False):
            if job.is_held(age):
                job.end(JobState.SUCCEEDED)
                job.results.append(age)
            assert outcome is WriteOutcome.of(job.state is JobState.SUCCEEDED and age == 0)

    # No sum of these is a whole lease, so it never depends on the milliseconds that a test takes.
    @rule(
        seconds=st.sampled_from([LEASE_S * 0.4, LEASE_S * 2]),
        beating=st.sets(WORKERS_HERE),
        dead=st.sets(WORKERS_HERE, max_size=1),
    )
    def time_passes(self, seconds: float, beating: set[str], dead: set[str]) -> None:
        """The database's clock can't be set, so all that it wrote moves into the past instead."""
        earlier = JOBS.c.lease_expires_at - round(seconds * 1000)
        with self.database.writing() as connection:
            connection.execute(update(JOBS).values(lease_expires_at=earlier))
            connection.execute(delete(WORKERS))
        for name in beating:
            WorkerRegistry(self.database).announce(WorkerEntry(name, (KIND,), (), "cpu"))
        for job in self.model.jobs.values():
            job.lease_left_s -= seconds
        expected = self.model.reap(beating, dead)
        reaped = self.ledger.reap(dead)
        assert {name: set(getattr(reaped, name)) for name in expected} == expected

    def _open(self) -> list[str]:
        return [job_id for job_id, job in self.model.jobs.items() if not job.state.is_terminal]

    def _job(self, number: int, state: JobState = JobState.RUNNING) -> Attempts:
        """The job of that number, those in `state` first, then the latest; none in an empty ledger."""
        newest = reversed(self.model.jobs.items())
        return sorted(newest, key=lambda item: item[1].state is not state)[:NUM_OPEN][number:][:1]

    @staticmethod
    def _end(job: ModelJob, age: int, state: JobState, done: WriteOutcome) -> None:
        assert done is WriteOutcome.of(job.is_held(age))
        if done is WriteOutcome.APPLIED:
            job.end(state)

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        with self.database.reading() as connection:
            rows = {row.id: row for row in connection.execute(select(JOBS))}
        assert rows.keys() == self.model.jobs.keys()
        for job_id, job in self.model.jobs.items():
            row = rows[job_id]
            assert (row.state, row.fence, row.attempt) == (job.state, job.fence, job.attempt)
            assert 0 <= row.attempt <= job.max_attempts
            assert (row.suspicion, row.is_performing) == (job.suspicion, job.performing)
            if job.state is JobState.RUNNING:
                assert row.worker == job.worker
            if job.state is JobState.QUEUED:
                assert (row.dispatched_at is not None) is job.dispatched

    @invariant()
    def a_job_has_one_result_if_it_succeeded_and_else_none(self) -> None:
        with self.database.reading() as connection:
            stored = connection.execute(select(RESULTS.c.job_id, RESULTS.c.result)).all()
        jobs = self.model.jobs.items()
        assert sorted((row.job_id, row.result["seed"]) for row in stored) == sorted(
            (job_id, seed) for job_id, job in jobs for seed in job.results
        )
        assert all(len(job.results) == (job.state is JobState.SUCCEEDED) for _, job in jobs)

    @invariant()
    def each_end_is_told_once_to_who_wants_to_know(self) -> None:
        with self.database.reading() as connection:
            events = list(connection.execute(select(WEBHOOK_EVENTS.c.id)).scalars())
        ends = {f"{job_id}:{job.state}" for job_id, job in self.model.jobs.items() if job.is_told}
        assert sorted(events) == sorted(end for end in ends if end.partition(":")[2] in TERMINAL)

    @invariant()
    def a_terminal_state_never_changes(self) -> None:
        states = {job_id: self.index.state(job_id)[0] for job_id in self.model.jobs}
        assert self.ended.items() <= states.items()
        self.ended = {job_id: state for job_id, state in states.items() if state in TERMINAL}


def test_the_ledger_agrees_with_its_model(migrated_file: Path, thorough: bool) -> None:
    machine = type("Machine", (LedgerMachine,), {"template": migrated_file})
    # New ones are drawn in each run.
    num = 200 if thorough else 50
    run_state_machine_as_test(
        machine, settings=settings(max_examples=num, stateful_step_count=40, deadline=None, database=None)
    )
    # How many is chance; test_crash_points breaks off every statement in turn.
    assert machine.num_crashes > 0
