"""The ledger's conformance suite, second half: lost leases, lost messages, many hands at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import Dispatch, Ledger, Reaped
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.job import Progress
from brushwork_schemas.states import JobState
from sqlalchemy import update

from tests.jobs import KIND, NO_LEASE_S, begun, claimed, column, lost, new_job, reaped
from tests.servers import wait_until


class TestReap:
    def test_a_lost_job_is_queued_again(self, ledger: Ledger, index: JobIndex, database: Database) -> None:
        stale = lost(database, "a")
        job = reaped(ledger, index, "a")
        assert (job.state, job.worker, job.attempt) == (JobState.QUEUED, None, 1)
        assert [found.job_id for found in ledger.dispatch(KIND, 9)] == ["a"]
        again = claimed(ledger, "a", "other")
        assert (again.attempt, again.fence > stale.fence) == (2, True)

    def test_a_poison_job_fails_once_its_attempts_are_used_up(
        self, ledger: Ledger, index: JobIndex, database: Database
    ) -> None:
        lost(database, "a", max_attempts=2)
        assert reaped(ledger, index, "a").state is JobState.QUEUED
        begun(Ledger(database, lease_s=NO_LEASE_S), "a")
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

    def test_reapers_heartbeats_and_progress_do_not_deadlock(
        self, ledger: Ledger, database: Database
    ) -> None:
        short, job_signals = Ledger(database, lease_s=NO_LEASE_S), JobSignals(database)
        names = [f"job-{number}" for number in range(60)]
        ledger.submit([new_job(name, max_attempts=100) for name in names])

        def live(worker: int) -> None:
            mine = names[worker::4]
            for _ in range(5):
                for name in mine:
                    short.claim(name, f"worker-{worker}")
                short.renew(f"worker-{worker}")
                job_signals.report_progress(
                    [ProgressReport(name, fence, Progress()) for name in mine for fence in (1, 2, 3)]
                )
                short.reap()

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(live, range(4)))


class TestDispatch:
    def test_what_was_just_submitted_is_on_its_way(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")])
        assert ledger.dispatch(KIND, 10) == []
        assert ledger.dispatch_again(KIND, 10, older_than_s=600) == []
        assert (ledger.num_dispatched(KIND), ledger.has_backlog(KIND)) == (1, False)

    def test_an_old_message_is_sent_again(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a"), new_job("b", kind="image-to-text")])
        found: list[Dispatch] = []
        wait_until(lambda: found.extend(ledger.dispatch_again(KIND, 10, older_than_s=0)) or found)
        assert found == [Dispatch("a", KIND, "pocket-diffusion 64x64", again=True)]

    def test_the_oldest_message_is_sent_again_first(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job(name) for name in "abc"])
        with database.writing() as connection:
            for age, name in enumerate("bca"):
                connection.execute(update(JOBS).where(JOBS.c.id == name).values(dispatched_at=age))
        assert [job.job_id for job in ledger.dispatch_again(KIND, 2, older_than_s=60)] == ["b", "c"]
        assert [job.job_id for job in ledger.dispatch_again(KIND, 2, older_than_s=60)] == ["a"]

    def test_what_was_never_sent_is_no_lost_message(self, ledger: Ledger) -> None:
        ledger.submit([new_job("a")], sent=())
        assert ledger.dispatch_again(KIND, 10, older_than_s=-60) == []
        assert (ledger.num_dispatched(KIND), ledger.has_backlog(KIND)) == (0, True)

    def test_what_was_not_sent_comes_in_the_order_of_submission(self, ledger: Ledger) -> None:
        names = [f"job-{number:02}" for number in range(20)]
        ledger.submit([new_job("sent")])
        ledger.submit([new_job(name) for name in reversed(names)])
        for name in reversed(names):
            ledger.undispatch([name])
        assert [job.job_id for job in ledger.dispatch(KIND, 5)] == names[:5]
        assert [job.job_id for job in ledger.dispatch(KIND, 100)] == names[5:]
        assert ledger.dispatch(KIND, 100) == []

    @pytest.mark.parametrize(("limit", "number"), [(0, 0), (-5, 0), (3, 3), (100, 8)])
    def test_the_limit_holds(self, ledger: Ledger, limit: int, number: int) -> None:
        names = [f"job-{number}" for number in range(8)]
        ledger.submit([new_job(name) for name in names])
        assert len(ledger.dispatch_again(KIND, limit, older_than_s=-60)) == number
        ledger.undispatch(names)
        assert len(ledger.dispatch(KIND, limit)) == number

    def test_racing_dispatchers_take_each_job_once(self, ledger: Ledger) -> None:
        names = [f"job-{number}" for number in range(100)]
        ledger.submit([new_job(name) for name in names], sent=())
        with ThreadPoolExecutor(8) as threads:
            rounds = list(threads.map(lambda _: ledger.dispatch(KIND, 25), range(8)))
        rounds.append(ledger.dispatch(KIND, 100))
        assert all(len(jobs) <= 25 for jobs in rounds[:-1])
        assert Counter(job.job_id for jobs in rounds for job in jobs) == Counter(names)

    def test_running_and_ended_jobs_are_not_sent(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        claimed(ledger, "a")
        ledger.cancel("b")
        before = column(database, "a", "dispatched_at")
        ledger.undispatch(["a", "b", "nobody"])
        assert column(database, "a", "dispatched_at") == before
        assert ledger.dispatch(KIND, 10) == ledger.dispatch_again(KIND, 10, older_than_s=-60) == []

    def test_nothing_to_take_back_is_no_work(self, ledger: Ledger) -> None:
        ledger.undispatch([])
