"""The ledger's conformance suite, second half: lost leases, lost messages, many hands at once."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from brushwork_core.database.database import Database
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.ledger import ClaimOrder, Ledger, Reaped
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.job import Progress
from brushwork_schemas.states import JobState

from tests.jobs import (
    KIND,
    NO_LEASE_S,
    begun,
    claimed,
    column,
    lost,
    mark_sent,
    new_job,
    reaped,
    taken,
)


class TestReap:
    def test_a_lost_job_is_queued_again(self, ledger: Ledger, index: JobIndex, database: Database) -> None:
        stale = lost(database, "a")
        job = reaped(ledger, index, "a")
        assert (job.state, job.worker, job.attempt) == (JobState.QUEUED, None, 1)
        assert ledger.has_backlog([KIND])
        [again] = ledger.claim_next(ClaimOrder([KIND]), "other", 9).jobs
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


class TestOldMessages:
    """Programs of older versions send a message for each job, and mark the job as dispatched."""

    def test_a_job_with_a_message_is_left_to_the_message(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        mark_sent(database, "a")
        assert (taken(ledger), ledger.has_backlog([KIND])) == ([], False)
        [claim] = ledger.claim_sent(["a"], "w")
        assert (claim.job_id, claim.attempt, claim.label) == ("a", 1, "pocket-diffusion 64x64")

    def test_several_messages_are_one_claim(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job(name) for name in "abc"])
        mark_sent(database, "a", "b")
        claims = ledger.claim_sent(["a", "b", "c", "nobody"], "w")
        assert {claim.job_id for claim in claims} == {"a", "b"}, "the message of c is of the new kind"

    def test_a_second_message_takes_nothing(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        mark_sent(database, "a")
        assert ledger.claim_sent(["a"], "w")
        assert ledger.claim_sent(["a"], "other") == []

    def test_the_message_of_a_suspect_says_that_it_runs_alone(
        self, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        assert taken(ledger, worker="dead/1") == ["a", "b"]
        assert set(ledger.reap(["dead/1"]).suspects) == {"a", "b"}
        mark_sent(database, "a")
        [claim] = ledger.claim_sent(["a"], "w")
        assert (claim.alone, column(database, "a", "is_performing")) == (True, False)

    def test_a_message_that_is_young_may_be_on_its_way(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job("a")])
        mark_sent(database, "a")
        assert ledger.forget_messages(600) == 0
        assert taken(ledger) == []

    def test_a_job_whose_message_is_lost_waits_for_its_turn(self, ledger: Ledger, database: Database) -> None:
        ledger.submit([new_job(name) for name in ("old", "young", "waits")])
        mark_sent(database, "old", at_ms=1)
        mark_sent(database, "young")
        assert ledger.forget_messages(600) == 1
        assert ledger.forget_messages(600) == 0
        assert taken(ledger) == ["old", "waits"]

    def test_running_and_ended_jobs_have_no_message_to_forget(
        self, ledger: Ledger, database: Database
    ) -> None:
        ledger.submit([new_job("a"), new_job("b")])
        mark_sent(database, "a", "b", at_ms=1)
        claimed(ledger, "a")
        ledger.cancel("b")
        assert ledger.forget_messages(-60) == 0
        assert column(database, "a", "dispatched_at") == 1
        assert (taken(ledger), ledger.claim_sent(["a", "b"], "w")) == ([], [])


class TestManyAtOnce:
    @pytest.mark.parametrize("limit", [1, 7])
    def test_racing_workers_claim_each_job_once_and_never_too_many(
        self, database_url: str, ledger: Ledger, limit: int
    ) -> None:
        names = [f"job-{number:03}" for number in range(100)]
        ledger.submit([new_job(name, tenant="ab"[number % 2]) for number, name in enumerate(names)])

        def work(worker: int) -> list[list[str]]:
            database = Database(database_url)
            order, rounds = ClaimOrder([KIND]), [[""]]
            while rounds[-1]:
                rounds.append(taken(Ledger(database), limit, worker=f"w{worker}", order=order))
            database.close()
            return rounds[1:]

        with ThreadPoolExecutor(4) as threads:
            rounds = [found for of_one in threads.map(work, range(4)) for found in of_one]
        assert max(map(len, rounds)) == limit
        rounds.append(taken(ledger, 100))
        assert Counter(name for found in rounds for name in found) == Counter(names)

    def test_racing_processes_claim_each_job_once(self, database_url: str, ledger: Ledger) -> None:
        names = [f"job-{number:03}" for number in range(60)]
        ledger.submit([new_job(name) for name in names])
        command = [sys.executable, "-m", "tests.claiming", database_url, "5"]
        processes = [subprocess.Popen([*command, f"p{number}"], stdout=subprocess.PIPE) for number in (0, 1)]
        found = [process.communicate(timeout=60)[0].decode().split() for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
        found.append(taken(ledger, 100))
        assert Counter(name for of_one in found for name in of_one) == Counter(names)

    def test_messages_and_turns_together_claim_each_job_once(
        self, ledger: Ledger, database: Database
    ) -> None:
        names = [f"job-{number:03}" for number in range(60)]
        ledger.submit([new_job(name) for name in names])
        mark_sent(database, *names[:30])

        def by_message(part: int) -> list[str]:
            return [claim.job_id for claim in ledger.claim_sent(names[part : part + 20], f"m{part}")]

        def by_turn(number: int) -> list[str]:
            ledger.forget_messages(-60)
            return taken(ledger, 20, worker=f"t{number}")

        with ThreadPoolExecutor(8) as threads:
            sent = [threads.submit(by_message, part) for part in (0, 10, 20)]
            following = [threads.submit(by_turn, number) for number in range(4)]
            found = [future.result() for future in (*sent, *following)]
        found.append(taken(ledger, 100))
        assert Counter(name for of_one in found for name in of_one) == Counter(names)

    @pytest.mark.parametrize(("limit", "number"), [(0, 0), (-5, 0), (3, 3), (100, 8)])
    def test_the_limit_holds(self, ledger: Ledger, limit: int, number: int) -> None:
        ledger.submit([new_job(f"job-{number}", tenant="ab"[number % 2]) for number in range(8)])
        assert len(taken(ledger, limit)) == number
