"""The ledger's conformance suite: every transition and every refusal, on SQLite and on PostgreSQL."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import ARTIFACTS, JOB_ARTIFACTS, JOBS, RESULTS
from brushwork_core.ledger import Ledger, NewJob, Reaped, Signal, WriteOutcome
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import JobError, Progress
from brushwork_schemas.states import JobState
from sqlalchemy import select

from tests.jobs import (
    ERROR,
    KIND,
    claimed,
    column,
    count,
    lost,
    new_job,
    picture,
    reaped,
    result_of,
    said,
    taken,
)
from tests.servers import wait_until


class TestSubmit:
    def test_a_job_is_queued_as_it_was_given(self, ledger: Ledger, index: JobIndex) -> None:
        assert ledger.submit([new_job("a", max_attempts=7)]).new == {"a"}
        job = index.get("a")
        assert (job.state, job.kind, job.model, job.attempt) == ("queued", KIND, "pocket-diffusion", 0)
        assert (job.max_attempts, job.worker, job.started_at, job.result) == (7, None, None, None)

    def test_an_id_that_is_there_is_left_as_it_is(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        claimed(ledger, "a")
        assert ledger.submit([new_job("a"), new_job("b")]).new == {"b"}
        assert index.get("a").state is JobState.RUNNING

    def test_all_or_none(self, database: Database, ledger: Ledger) -> None:
        broken = NewJob(id="b", kind=KIND, model="m", label="l", request={"prompt": object()})
        with pytest.raises(Exception, match="not JSON serializable"):
            ledger.submit([new_job("a"), broken])
        assert count(database, JOBS) == 0

    def test_no_jobs_are_no_work(self, ledger: Ledger) -> None:
        assert ledger.submit([]).new == set()

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
                assert ledger.submit([job]).new == {job.id}

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
        lost(database, "b", worker="other")
        assert ledger.reap() == Reaped(queued=("b",))
        assert ledger.reap() == Reaped()

    def test_release_gives_back_uncharged(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        first = claimed(ledger, "a")
        said(database, "a", first.fence, 5, 20)
        assert ledger.release("a", first.fence) is WriteOutcome.APPLIED
        job = index.get("a")
        assert (job.state, job.attempt, job.worker, job.progress.step) == ("queued", 0, None, 0)
        assert column(database, "a", "dispatched_at") is None
        second = claimed(ledger, "a", "other")
        assert (second.attempt, second.fence > first.fence) == (1, True)

    @pytest.mark.parametrize("way", ["release", "retry"])
    def test_a_job_given_back_while_its_cancellation_is_on_its_way_ends_canceled(
        self, ledger: Ledger, index: JobIndex, way: str
    ) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        ledger.cancel("a")
        assert WRITES[way](ledger, "a", fence) is WriteOutcome.APPLIED
        assert index.get("a").state is JobState.CANCELED


Write = Callable[[Ledger, str, int], object]
WRITES: dict[str, Write] = {
    "complete": lambda ledger, job_id, fence: ledger.complete(job_id, fence, result_of(0)),
    "fail": lambda ledger, job_id, fence: ledger.fail(job_id, fence, ERROR),
    "stop": lambda ledger, job_id, fence: ledger.stop(job_id, fence),
    "expire": lambda ledger, job_id, fence: ledger.expire(job_id, fence),
    "retry": lambda ledger, job_id, fence: ledger.retry(job_id, fence, ERROR, after_s=0),
    "release": lambda ledger, job_id, fence: ledger.release(job_id, fence),
    "perform": lambda ledger, job_id, fence: ledger.perform(job_id, fence),
}
ENDS: dict[JobState, Write] = {
    JobState.SUCCEEDED: WRITES["complete"],
    JobState.FAILED: WRITES["fail"],
    JobState.CANCELED: WRITES["stop"],
    JobState.EXPIRED: WRITES["expire"],
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
        assert write(ledger, "a", stale.fence) is WriteOutcome.LEASE_LOST
        assert write(ledger, "a", 99) is WriteOutcome.LEASE_LOST
        assert index.get("a") == before
        assert count(database, RESULTS) == 0

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_a_reaped_attempt_writes_nothing_though_nobody_claimed_again(
        self, ledger: Ledger, index: JobIndex, database: Database, write: Write
    ) -> None:
        stale = lost(database, "a")
        before = reaped(ledger, index, "a")
        assert write(ledger, "a", stale.fence) is WriteOutcome.LEASE_LOST
        assert index.get("a") == before

    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_an_unknown_job_is_not_written(self, ledger: Ledger, write: Write) -> None:
        assert write(ledger, "nobody", 1) is WriteOutcome.LEASE_LOST

    @pytest.mark.parametrize("state", ENDS)
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_a_terminal_state_never_changes(
        self, ledger: Ledger, index: JobIndex, state: JobState, write: Write
    ) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        assert ENDS[state](ledger, "a", fence) is WriteOutcome.APPLIED
        before = index.get("a")
        assert before.state is state
        for used in (fence, fence + 1):
            done = write(ledger, "a", used)
            is_repeated = write is ENDS[JobState.SUCCEEDED] and state == "succeeded" and used == fence
            assert done is WriteOutcome.of(is_repeated)
        assert ledger.cancel("a") is state
        assert ledger.claim("a", "w") is None
        assert ledger.refuse(new_job("a"), ERROR) is False
        ledger.reap()
        assert taken(ledger) == ledger.claim_sent(["a"], "w") == []
        assert (ledger.forget_messages(-60), ledger.has_backlog([KIND])) == (0, False)
        assert index.get("a") == before


class TestComplete:
    def test_result_and_outputs_are_stored_with_the_end(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a", inputs="1")])
        assert (
            ledger.complete("a", claimed(ledger, "a").fence, result_of(7), [picture("2")])
            is WriteOutcome.APPLIED
        )
        job = index.get("a")
        assert job.state is JobState.SUCCEEDED
        assert job.result is not None
        assert job.result.model_dump(mode="json") == {**_with_engine(result_of(7)), "warnings": []}
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
        assert ledger.complete("a", fence, result_of(1)) is WriteOutcome.APPLIED
        assert ledger.complete("a", fence, result_of(2)) is WriteOutcome.APPLIED
        assert index.get("a").result.seed == 1  # type: ignore[union-attr]
        assert count(database, RESULTS) == 1

    def test_two_at_once_store_one_result(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        with ThreadPoolExecutor(8) as threads:
            done = list(threads.map(lambda seed: ledger.complete("a", fence, result_of(seed)), range(8)))
        assert set(done) == {WriteOutcome.APPLIED}
        assert count(database, RESULTS) == 1

    def test_a_job_asked_to_stop_may_still_complete(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        ledger.cancel("a")
        assert ledger.complete("a", fence, result_of(1)) is WriteOutcome.APPLIED
        assert index.get("a").state is JobState.SUCCEEDED

    def test_the_end_says_how_far_the_job_came(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job(name) for name in "abcde"])
        fences = {name: claimed(ledger, name).fence for name in "abcde"}
        come = Progress(step=7, total=9)
        ledger.complete("a", fences["a"], result_of(1), progress=come)
        ledger.fail("b", fences["b"], ERROR, progress=come)
        ledger.stop("c", fences["c"], progress=come)
        ledger.expire("e", fences["e"], progress=come)
        assert said(database, "d", fences["d"], 3, 9)
        ledger.complete("d", fences["d"], result_of(1))
        steps = {name: (index.get(name).progress.step, index.get(name).progress.total) for name in "abcde"}
        assert steps == {"a": (9, 9), "b": (7, 9), "c": (7, 9), "d": (9, 9), "e": (7, 9)}

    def test_a_failure_keeps_its_error(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        assert ledger.fail("a", claimed(ledger, "a").fence, ERROR) is WriteOutcome.APPLIED
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
        assert ledger.stop("a", fence) is WriteOutcome.APPLIED
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


def test_an_outcome_is_not_taken_for_a_truth_value() -> None:
    for outcome in WriteOutcome:
        with pytest.raises(TypeError, match="no truth value"):
            bool(outcome)


def _with_engine(result: dict[str, Any]) -> dict[str, Any]:
    """As it is read: torch ran everything, and nothing was skipped."""
    torch = {"engine": "torch", "engine_precision": "float32", "engine_modules": {}, "denoiser_calls": None}
    return {**result, "provenance": {**result["provenance"], **torch}}
