"""Another attempt after one that failed: when, by whom, whether alone; and the end at a deadline."""

import pytest
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS
from brushwork_core.ledger import Ledger, WriteOutcome
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from sqlalchemy import event, update

from tests.jobs import ERROR, KIND, claimed, column, count, hurry, mark_sent, new_job, overdue, said, taken

PAUSE_S = 600.0


def failed(ledger: Ledger, job_id: str = "a", worker: str = "w", **options: object) -> None:
    """An attempt that is to be run again."""
    fence = claimed(ledger, job_id, worker).fence
    assert ledger.retry(job_id, fence, ERROR, **{"after_s": PAUSE_S, **options}) is WriteOutcome.APPLIED  # type: ignore[arg-type]


class TestRetry:
    def test_the_job_waits_with_the_error_of_its_attempt(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        said(database, "a", fence, 5, 20)
        ledger.retry("a", fence, ERROR, after_s=PAUSE_S)
        job = index.get("a")
        assert (job.state, job.attempt, job.worker, job.progress.step) == ("queued", 1, None, 0)
        assert (job.error, job.last_error) == (None, ERROR)
        assert job.retry_at is not None
        assert 0 < (job.retry_at - job.created_at).total_seconds() - PAUSE_S < 60

    def test_nobody_takes_it_before_its_time(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        failed(ledger)
        assert ledger.claim("a", "other") is None
        assert (taken(ledger), ledger.has_backlog([KIND])) == ([], False)
        hurry(database, "a")
        assert ledger.has_backlog([KIND])
        assert taken(ledger) == ["a"]
        assert column(database, "a", "attempt") == 2

    def test_a_job_whose_message_came_too_early_waits_for_its_turn(
        self, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a")])
        failed(ledger)
        mark_sent(database, "a")
        assert ledger.claim_sent(["a"], "w") == []
        assert column(database, "a", "dispatched_at") is None
        hurry(database, "a")
        assert taken(ledger) == ["a"]

    def test_who_failed_with_it_leaves_the_first_try_to_others(
        self, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        for name in "ab":
            failed(ledger, name, "first", avoid="first")
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE jobs SET not_before = 1")
        assert ledger.claim("a", "first") is None
        assert (taken(ledger, worker="first"), ledger.has_backlog([KIND], "first")) == ([], False)
        assert ledger.has_backlog([KIND], "other")
        assert taken(ledger, 1, worker="other") == ["a"]
        hurry(database, "b")
        assert taken(ledger, worker="first") == ["b"], "nobody else came"

    def test_a_job_that_had_too_little_memory_runs_alone(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        failed(ledger, "a", after_s=0.0, alone=True)
        failed(ledger, "b", after_s=0.0)
        assert (claimed(ledger, "a").alone, claimed(ledger, "b").alone) == (True, False)

    def test_the_last_attempt_is_the_last(self, ledger: Ledger, index: JobIndex, database: Database) -> None:
        ledger.submit([new_job("a", max_attempts=2, webhook_url="https://receiver.example")])
        failed(ledger, after_s=0.0)
        failed(ledger, after_s=0.0)
        job = index.get("a")
        assert (job.state, job.attempt, job.error) == (JobState.FAILED, 2, ERROR)
        assert count(database, WEBHOOK_EVENTS) == 1

    def test_a_suspect_stays_one(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        failed(ledger, after_s=0.0, alone=True)
        failed(ledger, after_s=0.0)
        assert claimed(ledger, "a").alone

    def test_a_retried_job_keeps_its_place(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        ledger.submit([new_job("b")])
        before = column(database, "a", "rank")
        failed(ledger)
        assert column(database, "a", "rank") == before
        hurry(database, "a")
        assert taken(ledger) == ["a", "b"]

    def test_a_job_that_waits_for_its_retry_holds_up_nobody(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        failed(ledger)
        ledger.submit([new_job("b")])
        assert taken(ledger) == ["b"]


class TestPostponed:
    def test_a_job_whose_model_is_not_there_waits_uncharged_and_in_its_place(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a")])
        ledger.submit([new_job("b")])
        fence = claimed(ledger, "a").fence
        assert ledger.release("a", fence, after_s=PAUSE_S) is WriteOutcome.APPLIED
        job = index.get("a")
        assert (job.state, job.attempt, job.last_error) == (JobState.QUEUED, 0, None)
        assert ledger.claim("a", "other") is None
        assert taken(ledger) == ["b"]
        hurry(database, "a")
        assert taken(ledger) == ["a"]
        assert column(database, "a", "attempt") == 1

    def test_one_that_rests_is_no_suspect_when_its_worker_dies(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("rests"), new_job("performs")])
        assert ledger.rest("rests", claimed(ledger, "rests").fence) is WriteOutcome.APPLIED
        claimed(ledger, "performs")
        ledger.reap(["w"])
        assert [index.get(name).attempt for name in ("rests", "performs")] == [0, 1]
        assert column(database, "rests", "suspicion") is None

    def test_one_that_has_rested_and_performs_again_is_charged(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        assert ledger.rest("a", fence) is WriteOutcome.APPLIED
        assert ledger.perform("a", fence) is WriteOutcome.APPLIED
        ledger.reap(["w"])
        assert index.get("a").attempt == 1

    def test_who_has_lost_the_job_can_not_rest(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        fence = claimed(ledger, "a").fence
        ledger.release("a", fence)
        assert ledger.rest("a", fence) is WriteOutcome.LEASE_LOST


class TestDeadline:
    def test_it_counts_from_the_submit(self, ledger: Ledger, index: JobIndex) -> None:
        ledger.submit([new_job("a", deadline_s=90.0), new_job("b")])
        job = index.get("a")
        assert job.deadline_at is not None
        assert abs((job.deadline_at - job.created_at).total_seconds() - 90) < 1
        assert index.get("b").deadline_at is None
        assert 0 < (claimed(ledger, "a").deadline_ms or 0) <= 90_000
        assert claimed(ledger, "b").deadline_ms is None

    def test_a_queued_job_ends_as_expired(self, ledger: Ledger, index: JobIndex, database: Database) -> None:
        ledger.submit([new_job("late", deadline_s=90.0), new_job("early", deadline_s=90.0), new_job("any")])
        overdue(database, "late")
        assert ledger.expire_queued() == ["late"]
        assert ledger.expire_queued() == []
        job = index.get("late")
        assert (job.state, job.attempt, job.finished_at is not None) == (JobState.EXPIRED, 0, True)

    def test_a_queued_job_ends_as_soon_as_its_deadline_has_passed(
        self, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a", deadline_s=90.0)])
        with database.writing() as connection:
            connection.execute(update(JOBS).values(deadline_at=now_ms()))
        assert ledger.expire_queued() == ["a"]

    def test_an_overdue_job_is_not_taken(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a", deadline_s=90.0)])
        overdue(database, "a")
        assert ledger.claim("a", "w") is None
        assert (taken(ledger), ledger.has_backlog([KIND])) == ([], False)

    def test_a_running_job_is_left_to_its_worker(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a", deadline_s=90.0)])
        fence = claimed(ledger, "a").fence
        overdue(database, "a")
        assert ledger.expire_queued() == []
        assert ledger.expire("a", fence) is WriteOutcome.APPLIED
        assert index.get("a").state is JobState.EXPIRED

    def test_a_job_may_expire_while_it_waits_for_its_retry(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        ledger.submit([new_job("a", deadline_s=90.0)])
        failed(ledger)
        overdue(database, "a")
        assert ledger.expire_queued() == ["a"]
        assert index.get("a").last_error == ERROR

    def test_many_at_once(self, ledger: Ledger, database: Database) -> None:
        names = [f"job-{number}" for number in range(1200)]
        ledger.submit([new_job(name, deadline_s=90.0, webhook_url="https://a.example/") for name in names])
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE jobs SET deadline_at = 1")
        commits: list[object] = []
        note = commits.append
        event.listen(database.engine, "commit", note)
        ended = ledger.expire_queued()
        event.remove(database.engine, "commit", note)
        assert sorted(ended) == sorted(names)
        assert len(commits) == 3, "others write meanwhile"
        assert count(database, WEBHOOK_EVENTS) == len(names)


def test_a_claim_says_how_many_attempts_there_are(ledger: Ledger) -> None:
    ledger.submit([new_job("a", max_attempts=7)])
    assert claimed(ledger, "a").max_attempts == 7


@pytest.mark.parametrize("way", ["cancel", "expire"])
def test_an_end_before_the_gate_is_an_end(ledger: Ledger, index: JobIndex, way: str) -> None:
    """Of a job that waits until it is alone."""
    ledger.submit([new_job("a")])
    failed(ledger, after_s=0.0, alone=True)
    fence = claimed(ledger, "a").fence
    end = {"cancel": ledger.stop, "expire": ledger.expire}[way]
    assert end("a", fence) is WriteOutcome.APPLIED
    assert ledger.perform("a", fence) is WriteOutcome.LEASE_LOST
    assert index.get("a").state.is_terminal
