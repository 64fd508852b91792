"""What running jobs say and hear by way of the database, on SQLite and on PostgreSQL."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, PREVIEWS
from brushwork_core.fleet.job_signals import (
    RENEWED_AFTER_MS,
    WATCHED_MS,
    JobSignal,
    JobSignals,
    ProgressReport,
)
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.errors import JobNotFound
from brushwork_schemas.job import Progress
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState
from sqlalchemy import event, text, update

from tests.jobs import ERROR, claimed, count, lost, new_job, result_of, said

PLAN = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN "}


@pytest.fixture
def job_signals(database: Database) -> JobSignals:
    return JobSignals(database)


class TestTell:
    def test_all_jobs_in_one_transaction(
        self, job_signals: JobSignals, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        names = [f"job-{number}" for number in range(70)]
        ledger.submit([new_job(name) for name in names])
        fences = {name: claimed(ledger, name).fence for name in names}
        commits = []
        event.listen(database.engine, "commit", commits.append)
        told = job_signals.report_progress(
            [ProgressReport(name, fence, Progress(step=5, total=20)) for name, fence in fences.items()]
        )
        assert (told, len(commits)) == (set(fences.items()), 1)
        assert {index.get(name).progress.fraction for name in names} == {0.25}
        assert index.state("job-0")[1].step == 5

    def test_nothing_to_say_asks_nobody(self, tmp_path: object) -> None:
        nowhere = Database("postgresql+psycopg://someone@127.0.0.1:1/nothing")
        assert JobSignals(nowhere).report_progress([]) == set()

    def test_a_stale_fence_is_not_heard(
        self, job_signals: JobSignals, ledger: Ledger, index: JobIndex
    ) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        stale = claimed(ledger, "a", "zombie").fence
        ledger.release("a", stale)
        living = claimed(ledger, "a", "living").fence
        other = claimed(ledger, "b").fence
        reports = [
            ProgressReport(*attempt, Progress(step=9, total=9))
            for attempt in (("a", stale), ("b", other), ("nobody", 1))
        ]
        assert job_signals.report_progress(reports) == {("b", other)}
        assert (index.get("a").progress.step, index.get("b").progress.step) == (0, 9)
        assert job_signals.report_progress([ProgressReport("a", living, Progress(step=1, total=9))]) == {
            ("a", living)
        }

    @pytest.mark.parametrize("end", ["complete", "fail", "stop", "release", "reap"])
    def test_an_attempt_that_is_over_is_not_heard(
        self, end: str, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        claim = lost(database, "a")
        ends = {
            "complete": lambda: ledger.complete("a", claim.fence, result_of(0)),
            "fail": lambda: ledger.fail("a", claim.fence, ERROR),
            "stop": lambda: ledger.stop("a", claim.fence),
            "release": lambda: ledger.release("a", claim.fence),
            "reap": ledger.reap,
        }
        ends[end]()
        before = index.get("a")
        assert said(database, "a", claim.fence, 3, 4) is False
        assert index.get("a") == before

    def test_a_row_that_somebody_holds_is_told_next_time(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        if database.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer at a time")
        ledger.submit([new_job("a"), new_job("b")])
        reports = [
            ProgressReport(name, claimed(ledger, name).fence, Progress(step=1, total=2)) for name in "ab"
        ]
        with database.writing() as connection:
            connection.execute(text("SELECT id FROM jobs WHERE id = 'a' FOR UPDATE"))
            assert job_signals.report_progress(reports) == {("b", 1)}
        assert job_signals.report_progress(reports) == {("a", 1), ("b", 1)}


STOP, SHOW = JobSignal(stop=True, preview=False), JobSignal(stop=False, preview=True)


class TestWishes:
    def test_those_of_this_worker_that_are_asked_to_stop(
        self, job_signals: JobSignals, ledger: Ledger
    ) -> None:
        ledger.submit([new_job(name) for name in "abcd"])
        for name, worker in zip("abc", ("w", "w", "other"), strict=True):
            claimed(ledger, name, worker)
        assert job_signals.signals("w") == {}
        for name in "bcd":
            ledger.cancel(name)
        assert job_signals.signals("w") == {("b", 1): STOP}
        assert job_signals.signals("other") == {("c", 1): STOP}
        assert job_signals.signals("nobody") == {}
        ledger.stop("b", 1)
        assert job_signals.signals("w") == {}

    def test_those_that_somebody_looks_at(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job(name) for name in "abc"])
        for name in "abc":
            claimed(ledger, name)
        job_signals.preview("a")
        job_signals.preview("b")
        ledger.cancel("b")
        assert job_signals.signals("w") == {("a", 1): SHOW, ("b", 1): JobSignal(stop=True, preview=True)}
        time_passes(database, WATCHED_MS)
        assert job_signals.signals("w") == {("b", 1): STOP}

    def test_it_waits_for_no_writer(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a")])
        claimed(ledger, "a")
        ledger.cancel("a")
        with database.writing() as connection:
            connection.execute(text("UPDATE jobs SET label = 'other'"))
            assert job_signals.signals("w") == {("a", 1): STOP}

    def test_it_reads_only_running_jobs(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        ended = [f"ended-{number}" for number in range(2000)]
        ledger.submit([new_job(name) for name in [*ended, "running"]])
        claimed(ledger, "running")
        with database.writing() as connection:
            ends = {"state": JobState.SUCCEEDED, "finished_at": JOBS.c.created_at}
            connection.execute(update(JOBS).where(JOBS.c.id.in_(ended)).values(ends))
            # PostgreSQL plans by its statistics, which it otherwise gathers when it has time.
            connection.execute(text("ANALYZE"))
        asked: list[tuple[str, Any]] = []
        event.listen(database.engine, "before_cursor_execute", lambda *seen: asked.append(seen[2:4]))
        job_signals.signals("w")
        statement, parameters = next(seen for seen in asked if "cancel_requested" in seen[0])
        with database.reading() as connection:
            plan = connection.exec_driver_sql(PLAN[connection.dialect.name] + statement, parameters).all()
        # Either index holds no ended job, or finds none by its first column.
        assert re.search(r"ix_jobs_leased|ix_jobs_newest_of_state \(state=", str(plan)), plan
        assert not re.search(r"SCAN jobs|Seq Scan on jobs", str(plan)), plan


class TestPreview:
    @pytest.fixture
    def fence(self, ledger: Ledger) -> int:
        """Of the running job `a`."""
        ledger.submit([new_job("a")])
        return claimed(ledger, "a").fence

    def test_it_comes_once_somebody_has_asked(
        self, job_signals: JobSignals, fence: int, index: JobIndex
    ) -> None:
        show(job_signals, fence, step=1)
        assert job_signals.preview("a") is None, "nobody had asked"
        show(job_signals, fence, step=2)
        assert job_signals.preview("a") == picture_of(2)
        show(job_signals, fence, step=3)
        assert job_signals.preview("a") == picture_of(3)
        assert index.get("a").progress.step == 3

    def test_progress_alone_leaves_it(self, job_signals: JobSignals, fence: int, database: Database) -> None:
        job_signals.preview("a")
        show(job_signals, fence, step=2)
        assert said(database, "a", fence, 7, 9)
        assert job_signals.preview("a") == picture_of(2)

    def test_asking_again_is_written_down_seldom(
        self, job_signals: JobSignals, fence: int, database: Database
    ) -> None:
        commits: list[object] = []
        job_signals.preview("a")
        # However slow this test may be, it was asked just now.
        time_passes(database, -600_000)
        event.listen(database.engine, "commit", commits.append)
        for _ in range(5):
            job_signals.preview("a")
        assert len(commits) == 0
        time_passes(database, 600_000 + RENEWED_AFTER_MS)
        commits.clear()
        job_signals.preview("a")
        assert len(commits) == 1
        assert job_signals.signals("w") == {("a", fence): SHOW}

    def test_another_attempt_s_is_not_shown(
        self, job_signals: JobSignals, fence: int, ledger: Ledger
    ) -> None:
        job_signals.preview("a")
        show(job_signals, fence, step=2)
        ledger.release("a", fence)
        assert job_signals.preview("a") is None
        again = claimed(ledger, "a").fence
        assert job_signals.preview("a") is None
        show(job_signals, fence, step=5)
        assert job_signals.preview("a") is None
        show(job_signals, again, step=1)
        assert job_signals.preview("a") == picture_of(1)

    def test_a_job_that_does_not_run_has_none_and_is_not_watched(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a")])
        assert job_signals.preview("a") is None
        fence = claimed(ledger, "a").fence
        job_signals.preview("a")
        show(job_signals, fence, step=2)
        ledger.complete("a", fence, result_of(1))
        assert job_signals.preview("a") is None
        ledger.submit([new_job("b")])
        job_signals.preview("b")
        assert count(database, PREVIEWS) == 1

    def test_an_unknown_job_is_not_found(self, job_signals: JobSignals) -> None:
        for job_id in ("nobody", "", "x" * 65):
            with pytest.raises(JobNotFound):
                job_signals.preview(job_id)

    def test_those_of_jobs_that_do_not_run_are_swept_away(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job(name) for name in "abc"])
        for name in "abc":
            claimed(ledger, name)
            job_signals.preview(name)
        ledger.stop("a", 1)
        ledger.release("b", 1)
        job_signals.sweep()
        job_signals.sweep()
        assert count(database, PREVIEWS) == 1
        assert job_signals.signals("w") == {("c", 1): SHOW}
        # Nobody looks any more: what the worker still shows makes no row.
        show(job_signals, 1, step=1)
        assert count(database, PREVIEWS) == 1

    def test_many_who_ask_and_sweep_at_once(
        self, job_signals: JobSignals, ledger: Ledger, database: Database
    ) -> None:
        names = [f"job-{number}" for number in range(20)]
        ledger.submit([new_job(name, max_attempts=9) for name in names])
        for name in names:
            claimed(ledger, name)

        def work(number: int) -> None:
            for name in names[:: 1 if number % 2 else -1]:
                job_signals.preview(name)
                job_signals.report_progress(
                    [ProgressReport(each, 1, Progress(), picture_of(number)) for each in names]
                )
                job_signals.sweep()
                if number == 0:
                    ledger.fail(name, 1, ERROR)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        job_signals.sweep()
        assert count(database, PREVIEWS) == 0


def picture_of(step: int) -> Preview:
    return Preview(jpeg=b"\xff\xd8" + bytes([step, 0, 255]), step=step, total=9)


def show(job_signals: JobSignals, fence: int, *, step: int) -> None:
    job_signals.report_progress([ProgressReport("a", fence, Progress(step=step, total=9), picture_of(step))])


def time_passes(database: Database, milliseconds: int) -> None:
    """The database's clock can't be set, so what it wrote moves into the past instead."""
    with database.writing() as connection:
        connection.execute(update(PREVIEWS).values(asked_at=PREVIEWS.c.asked_at - milliseconds))
