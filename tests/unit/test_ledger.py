"""The ledger's conformance suite: every transition and every refusal, on SQLite and on PostgreSQL."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.database import Database
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.ledger import Claim, Ledger, NewJob, Reaped, Signal
from brushwork_schemas.states import JobState
from brushwork_schemas.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, RESULTS
from sqlalchemy import func, select

from tests.servers import wait_until

KIND = "text-to-image"
ERROR = JobError(code="out_of_memory", message="The device is full.", fault="machine")
# Has run out as it is granted, so that no test waits for it.
NO_LEASE_S = -1.0


def new_job(job_id: str, *, kind: str = KIND, max_attempts: int = 3, inputs: Iterable[str] = ()) -> NewJob:
    return NewJob(
        id=job_id,
        kind=kind,
        model="pocket-diffusion",
        label="pocket-diffusion 64x64",
        request={"prompt": "a red circle"},
        max_attempts=max_attempts,
        inputs=tuple(picture(letter) for letter in inputs),
    )


def picture(name: str) -> Artifact:
    return Artifact(
        sha256=name * (64 // len(name)), media_type="image/png", size_bytes=100, width=8, height=8
    )


def result_of(number: int) -> dict[str, object]:
    provenance = {
        "model": "pocket-diffusion", "model_revision": "1", "versions": {}, "device": "cpu",
        "dtype": "float32", "worker": "w", "attempt": 1,
        "timings": {"queued_s": 0.0, "loading_s": 0.0, "running_s": 0.0},
    }  # fmt: skip
    return {"version": 1, "images": [], "seed": number, "seeds": [], "provenance": provenance}


def claimed(ledger: Ledger, job_id: str, worker: str = "w") -> Claim:
    claim = ledger.claim(job_id, worker)
    assert claim is not None
    return claim


def lost(database: Database, job_id: str, *, max_attempts: int = 3) -> Claim:
    """A new job whose claim has run out."""
    short = Ledger(database, lease_s=NO_LEASE_S)
    short.submit([new_job(job_id, max_attempts=max_attempts)])
    return claimed(short, job_id)


def reaped(ledger: Ledger, index: JobIndex, job_id: str) -> Job:
    """The job once its lease has been reaped."""
    assert index.get(job_id).state is JobState.RUNNING
    ledger.reap()
    return index.get(job_id)


@pytest.fixture
def index(database: Database) -> JobIndex:
    return JobIndex(database)


def column(database: Database, job_id: str, name: str) -> object:
    with database.reading() as connection:
        return connection.execute(select(JOBS.c[name]).where(JOBS.c.id == job_id)).scalar_one()


def count(database: Database, table: object) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


class TestSubmit:
    def test_a_job_is_queued_as_it_was_given(self, ledger: Ledger, index: JobIndex) -> None:
        assert ledger.submit([new_job("a", max_attempts=7)]) == {"a"}
        job = index.get("a")
        assert (job.state, job.kind, job.model, job.attempt) == ("queued", KIND, "pocket-diffusion", 0)
        assert (job.max_attempts, job.worker, job.started_at, job.result) == (7, None, None, None)

    def test_an_id_that_is_there_is_left_as_it_is(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        claimed(ledger, "a")
        assert ledger.submit([new_job("a"), new_job("b")]) == {"b"}
        assert index.get("a").state is JobState.RUNNING

    def test_all_or_none(self, database: Database, ledger: Ledger) -> None:
        broken = NewJob(id="b", kind=KIND, model="m", label="l", request={"prompt": object()})
        with pytest.raises(Exception, match="not JSON serializable"):
            ledger.submit([new_job("a"), broken])
        assert count(database, JOBS) == 0

    def test_no_jobs_are_no_work(self, ledger: Ledger) -> None:
        assert ledger.submit([]) == set()

    def test_the_clock_is_the_database_s(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        before = time.time()
        ledger.submit([new_job("a")])
        # One machine, so the two clocks are one clock, give or take a rounding.
        assert before - 0.01 <= index.get("a").created_at.timestamp() <= time.time() + 0.01

    def test_inputs_are_linked_once(self, database: Database, ledger: Ledger) -> None:
        ledger.submit([new_job("a", inputs="12"), new_job("b", inputs="21")])
        ledger.submit([new_job("a", inputs="3")])
        assert (count(database, ARTIFACTS), count(database, JOB_ARTIFACTS)) == (2, 4)

    def test_two_that_share_pictures_in_opposite_order_do_not_deadlock(
        self, database: Database, ledger: Ledger
    ) -> None:
        shared = [picture(f"{number:02x}") for number in range(200)]
        start = threading.Barrier(4)

        def submit(number: int) -> None:
            order = shared if number % 2 else shared[::-1]
            for attempt in range(3):
                start.wait(timeout=10)
                job = replace(new_job(f"{number}-{attempt}"), inputs=tuple(order))
                assert ledger.submit([job]) == {job.id}

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(submit, range(4)))
        assert count(database, ARTIFACTS) == 200

    def test_a_refused_job_is_failed_with_its_reason(self, ledger: Ledger, index: JobIndex) -> None:
        assert ledger.refuse(new_job("a"), ERROR) is True
        job = index.get("a")
        assert (job.state, job.error, job.attempt) == (JobState.FAILED, ERROR, 0)
        assert job.finished_at is not None
        assert ledger.claim("a", "w") is None

    def test_refusing_a_known_id_changes_nothing(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        assert ledger.refuse(new_job("a"), ERROR) is False
        assert index.get("a").state is JobState.QUEUED

    @pytest.mark.parametrize("value", ["nul \0 inside", "half \ud800 a pair", float("nan"), float("-inf")])
    def test_a_refused_job_may_hold_what_json_cannot(
        self, ledger: Ledger, index: JobIndex, value: object
    ) -> None:
        job = NewJob(
            id="a", kind=KIND, model="m", label="l", request={"x": [value], "y": "\N{ARTIST PALETTE}\\u0000"}
        )
        error = JobError(code="internal", message=f"It was {value}.", fault="caller")
        assert ledger.refuse(job, error) is True
        request = index.get("a").request
        assert isinstance(request, dict)
        assert request["y"] == "\N{ARTIST PALETTE}\\u0000"


class TestClaim:
    def test_it_grants_an_attempt(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        claim = claimed(ledger, "a", "worker-1")
        assert (claim.job_id, claim.kind, claim.fence, claim.attempt) == ("a", KIND, 1, 1)
        assert claim.request == {"prompt": "a red circle"}
        assert 0 <= claim.queued_s < 60
        job = index.get("a")
        assert (job.state, job.worker, job.attempt) == (JobState.RUNNING, "worker-1", 1)
        assert job.started_at is not None

    def test_twice_is_refused(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        claimed(ledger, "a")
        assert ledger.claim("a", "other") is None
        assert ledger.claim("a", "w") is None

    def test_an_unknown_job_is_refused(self, ledger: Ledger) -> None:
        assert ledger.claim("nobody", "w") is None

    def test_racing_threads_get_each_job_once(self, database: Database, ledger: Ledger) -> None:
        names = [f"job-{number}" for number in range(200)]
        ledger.submit([new_job(name) for name in names])

        def run(worker: int) -> list[str]:
            claims = [ledger.claim(name, f"worker-{worker}") for name in names]
            return [claim.job_id for claim in claims if claim is not None]

        with ThreadPoolExecutor(8) as threads:
            won = [name for mine in threads.map(run, range(8)) for name in mine]
        assert Counter(won) == Counter(names)
        with database.reading() as connection:
            fences = connection.execute(select(JOBS.c.fence)).scalars().all()
        assert set(fences) == {1}


class TestRunning:
    def test_renewal_names_what_is_held(self, database: Database, ledger: Ledger) -> None:
        ledger.submit([new_job("a"), new_job("b"), new_job("c")])
        claimed(ledger, "a", "w")
        claimed(ledger, "b", "w")
        claimed(ledger, "c", "other")
        ledger.cancel("b")
        before = column(database, "a", "lease_expires_at")
        assert ledger.renew("w") == {("a", 1): Signal.GO_ON, ("b", 1): Signal.CANCEL}
        assert ledger.renew("nobody") == {}
        assert isinstance(before, int)
        wait_until(
            lambda: ledger.renew("w") and column(database, "a", "lease_expires_at") > before,  # type: ignore[operator]
            what="a longer lease",
        )

    def test_a_renewed_lease_is_not_reaped(self, database: Database, ledger: Ledger) -> None:
        lost(database, "a")
        ledger.renew("w")
        lost(database, "b")
        assert ledger.reap() == Reaped(queued=("b",))
        assert ledger.reap() == Reaped()

    def test_progress_is_seen_and_answers(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        assert ledger.progress("a", fence, 5, 20) is Signal.GO_ON
        assert index.get("a").progress.fraction == 0.25
        assert index.state("a")[1].step == 5
        ledger.cancel("a")
        assert ledger.progress("a", fence, 6, 20) is Signal.CANCEL

    def test_release_gives_back_uncharged(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        first = claimed(ledger, "a")
        ledger.progress("a", first.fence, 5, 20)
        assert ledger.release("a", first.fence) is True
        job = index.get("a")
        assert (job.state, job.attempt, job.worker, job.progress.step) == ("queued", 0, None, 0)
        assert column(database, "a", "dispatched_at") is None
        second = claimed(ledger, "a", "other")
        assert (second.attempt, second.fence > first.fence) == (1, True)

    def test_a_job_released_while_its_cancellation_is_on_its_way_ends_canceled(
        self, ledger: Ledger, index: JobIndex
    ) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        ledger.cancel("a")
        assert ledger.release("a", fence) is True
        assert index.get("a").state is JobState.CANCELED


Write = Callable[[Ledger, str, int], object]
WRITES: dict[str, Write] = {
    "progress": lambda ledger, job_id, fence: ledger.progress(job_id, fence, 1, 2) is not Signal.LOST,
    "complete": lambda ledger, job_id, fence: ledger.complete(job_id, fence, result_of(0)),
    "fail": lambda ledger, job_id, fence: ledger.fail(job_id, fence, ERROR),
    "stop": lambda ledger, job_id, fence: ledger.stop(job_id, fence),
    "release": lambda ledger, job_id, fence: ledger.release(job_id, fence),
}
ENDS: dict[JobState, Write] = {
    JobState.SUCCEEDED: WRITES["complete"],
    JobState.FAILED: WRITES["fail"],
    JobState.CANCELED: WRITES["stop"],
}


class TestFence:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_a_stale_fence_writes_nothing(
        self, ledger: Ledger, index: JobIndex, database: Database, write: Write
    ) -> None:
        ledger.submit([new_job("a")])
        stale = claimed(ledger, "a", "zombie")
        ledger.release("a", stale.fence)
        claimed(ledger, "a", "living")
        before = index.get("a")
        assert write(ledger, "a", stale.fence) is False
        assert write(ledger, "a", 99) is False
        assert index.get("a") == before
        assert count(database, RESULTS) == 0

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_a_reaped_attempt_writes_nothing_though_nobody_claimed_again(
        self, ledger: Ledger, index: JobIndex, database: Database, write: Write
    ) -> None:
        stale = lost(database, "a")
        before = reaped(ledger, index, "a")
        assert write(ledger, "a", stale.fence) is False
        assert index.get("a") == before

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_an_unknown_job_is_not_written(self, ledger: Ledger, write: Write) -> None:
        assert write(ledger, "nobody", 1) is False

    @pytest.mark.parametrize("state", ENDS)
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_a_terminal_state_never_changes(
        self, ledger: Ledger, index: JobIndex, state: JobState, write: Write
    ) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        assert ENDS[state](ledger, "a", fence) is True
        before = index.get("a")
        assert before.state is state
        for used in (fence, fence + 1):
            done = write(ledger, "a", used)
            assert done is (write is ENDS[JobState.SUCCEEDED] and state == "succeeded" and used == fence)
        assert ledger.cancel("a") is state
        assert ledger.claim("a", "w") is None
        assert ledger.refuse(new_job("a"), ERROR) is False
        ledger.reap()
        assert ledger.dispatch(KIND, 10, older_than_s=0) == []
        assert index.get("a") == before


class TestComplete:
    def test_result_and_outputs_are_stored_with_the_end(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a", inputs="1")])
        assert ledger.complete("a", claimed(ledger, "a").fence, result_of(7), [picture("2")]) is True
        job = index.get("a")
        assert job.state is JobState.SUCCEEDED
        assert job.result is not None
        assert job.result.model_dump(mode="json") == result_of(7)
        assert job.finished_at is not None
        with database.reading() as connection:
            links = select(JOB_ARTIFACTS.c.sha256, JOB_ARTIFACTS.c.role)
            assert {tuple(row) for row in connection.execute(links)} == {
                ("1" * 64, "input"),
                ("2" * 64, "output"),
            }

    def test_again_with_the_same_fence_stands_and_keeps_the_first_result(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        assert ledger.complete("a", fence, result_of(1)) is True
        assert ledger.complete("a", fence, result_of(2)) is True
        assert index.get("a").result.seed == 1  # type: ignore[union-attr]
        assert count(database, RESULTS) == 1

    def test_two_at_once_store_one_result(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda seed: ledger.complete("a", fence, result_of(seed)), range(8)))
        assert all(done)
        assert count(database, RESULTS) == 1

    def test_a_job_asked_to_stop_may_still_complete(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        ledger.cancel("a")
        assert ledger.complete("a", fence, result_of(1)) is True
        assert index.get("a").state is JobState.SUCCEEDED

    def test_a_failure_keeps_its_error(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        assert ledger.fail("a", claimed(ledger, "a").fence, ERROR) is True
        job = index.get("a")
        assert (job.state, job.error, job.result) == (JobState.FAILED, ERROR, None)


class TestCancel:
    def test_a_queued_job_ends_at_once(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        assert ledger.cancel("a") is JobState.CANCELED
        assert index.get("a").finished_at is not None
        assert ledger.claim("a", "w") is None

    def test_a_running_job_is_asked(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        fence = claimed(ledger, "a").fence
        claimed(ledger, "b")
        assert ledger.cancel("a") is JobState.RUNNING
        assert (index.get("a").cancel_requested, index.get("b").cancel_requested) == (True, False)
        assert ledger.stop("a", fence) is True
        assert index.get("a").state is JobState.CANCELED

    def test_an_unknown_job_is_not_found(self, ledger: Ledger) -> None:
        with pytest.raises(JobNotFound, match="'nobody'"):
            ledger.cancel("nobody")

    def test_a_cancellation_is_never_lost_to_a_release_at_the_same_time(
        self, ledger: Ledger, index: JobIndex
    ) -> None:
        names = [f"job-{number}" for number in range(30)]
        ledger.submit([new_job(name) for name in names])
        fences = {name: claimed(ledger, name).fence for name in names}
        start = threading.Barrier(2)

        def release() -> None:
            for name in names:
                start.wait(timeout=10)
                ledger.release(name, fences[name])

        with ThreadPoolExecutor(1) as threads:
            released = threads.submit(release)
            for name in names:
                start.wait(timeout=10)
                ledger.cancel(name)
            released.result(timeout=10)
        assert {index.get(name).state for name in names} == {JobState.CANCELED}


class TestReap:
    def test_a_lost_job_is_queued_again(self, ledger: Ledger, index: JobIndex, database: Database) -> None:
        stale = lost(database, "a")
        job = reaped(ledger, index, "a")
        assert (job.state, job.worker, job.attempt) == (JobState.QUEUED, None, 1)
        assert [found.job_id for found in ledger.dispatch(KIND, 9, older_than_s=600)] == ["a"]
        again = claimed(ledger, "a", "other")
        assert (again.attempt, again.fence > stale.fence) == (2, True)

    def test_a_poison_job_fails_once_its_attempts_are_used_up(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        lost(database, "a", max_attempts=2)
        assert reaped(ledger, index, "a").state is JobState.QUEUED
        claimed(Ledger(database, lease_s=NO_LEASE_S), "a")
        job = reaped(ledger, index, "a")
        assert (job.state, job.attempt, job.finished_at is not None) == (JobState.FAILED, 2, True)
        assert job.error is not None
        assert (job.error.code, job.error.fault) == ("worker_lost", "machine")

    @pytest.mark.parametrize("max_attempts", [1, 3])
    def test_a_lost_job_that_was_withdrawn_ends_canceled(
        self, ledger: Ledger, index: JobIndex, database: Database, max_attempts: int
    ) -> None:
        lost(database, "a", max_attempts=max_attempts)
        ledger.cancel("a")
        assert reaped(ledger, index, "a").state is JobState.CANCELED

    def test_living_leases_are_left(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        claimed(ledger, "a")
        assert ledger.reap() == Reaped()

    def test_racing_reapers_take_each_job_once(self, ledger: Ledger, database: Database) -> None:
        names = [f"job-{number}" for number in range(60)]
        ledger.submit([new_job(name) for name in names])
        for name in names:
            claimed(Ledger(database, lease_s=NO_LEASE_S), name)
        with ThreadPoolExecutor(8) as threads:
            rounds = list(threads.map(lambda _: ledger.reap().queued, range(8)))
        # One more, for a reaper leaves to the others what they hold.
        rounds.append(ledger.reap().queued)
        assert Counter(name for names in rounds for name in names) == Counter(names)

    def test_reapers_and_heartbeats_do_not_deadlock(self, ledger: Ledger, database: Database) -> None:
        short = Ledger(database, lease_s=NO_LEASE_S)
        names = [f"job-{number}" for number in range(60)]
        ledger.submit([new_job(name, max_attempts=100) for name in names])

        def live(worker: int) -> None:
            mine = names[worker::4]
            for _ in range(5):
                for name in mine:
                    short.claim(name, f"worker-{worker}")
                short.renew(f"worker-{worker}")
                short.reap()

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(live, range(4)))


class TestDispatch:
    def test_what_was_just_submitted_is_on_its_way(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        assert ledger.dispatch(KIND, 10, older_than_s=600) == []
        assert ledger.dispatch(KIND, 10, older_than_s=None) == []

    def test_an_old_message_is_sent_again(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a"), new_job("b", kind="image-to-text")])
        found = []
        wait_until(lambda: found.extend(ledger.dispatch(KIND, 10, older_than_s=0)) or found)
        assert [(job.job_id, job.kind, job.label) for job in found] == [("a", KIND, "pocket-diffusion 64x64")]

    def test_what_was_never_sent_comes_first_in_the_order_of_submission(self, ledger: Ledger) -> None:
        names = [f"job-{number:02}" for number in range(20)]
        ledger.submit([new_job("sent")])
        ledger.submit([new_job(name) for name in reversed(names)])
        for name in reversed(names):
            ledger.undispatch([name])
        first = ledger.dispatch(KIND, 5, older_than_s=None)
        assert [job.job_id for job in first] == names[:5]
        rest = ledger.dispatch(KIND, 100, older_than_s=None)
        assert [job.job_id for job in rest] == names[5:]
        assert ledger.dispatch(KIND, 100, older_than_s=None) == []

    @pytest.mark.parametrize(("limit", "number"), [(0, 0), (-5, 0), (3, 3), (100, 8)])
    def test_the_limit_holds(self, ledger: Ledger, limit: int, number: int) -> None:
        names = [f"job-{number}" for number in range(8)]
        ledger.submit([new_job(name) for name in names])
        ledger.undispatch(names)
        assert len(ledger.dispatch(KIND, limit, older_than_s=600)) == number

    def test_racing_dispatchers_take_each_job_once(self, ledger: Ledger) -> None:
        names = [f"job-{number}" for number in range(100)]
        ledger.submit([new_job(name) for name in names])
        ledger.undispatch(names)
        with ThreadPoolExecutor(8) as threads:
            rounds = list(threads.map(lambda _: ledger.dispatch(KIND, 25, older_than_s=600), range(8)))
        rounds.append(ledger.dispatch(KIND, 100, older_than_s=600))
        assert all(len(jobs) <= 25 for jobs in rounds[:-1])
        assert Counter(job.job_id for jobs in rounds for job in jobs) == Counter(names)

    def test_running_and_ended_jobs_are_not_sent(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        claimed(ledger, "a")
        ledger.cancel("b")
        before = column(database, "a", "dispatched_at")
        ledger.undispatch(["a", "b", "nobody"])
        assert column(database, "a", "dispatched_at") == before
        assert ledger.dispatch(KIND, 10, older_than_s=0) == []

    def test_nothing_to_take_back_is_no_work(self, ledger: Ledger) -> None:
        ledger.undispatch([])
