"""What a sweep takes back, and what it leaves alone."""

from brushwork_core.database.database import Database
from brushwork_core.fleet.process_liveness import here
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from brushwork_workers.supervision.reconciler import Reconciler

from tests.jobs import claimed, column, lose, mark_sent, new_job, overdue, taken


def reconciler(database: Database, *, redispatch_after_s: float = -1.0) -> Reconciler:
    return Reconciler(
        Ledger(database, lease_s=600),
        WorkerRegistry(database),
        redispatch_after_s=redispatch_after_s,
        lease_s=600,
    )


def submit(ledger: Ledger, *job_ids: str, **options: object) -> None:
    ledger.submit([new_job(job_id, **options) for job_id in job_ids])


class TestMessages:
    """Of older programs, which mark a job as dispatched."""

    def test_jobs_whose_messages_are_gone_wait_for_their_turn(
        self, database: Database, ledger: Ledger
    ) -> None:
        submit(ledger, "a", "b", "waits")
        mark_sent(database, "a", "b")
        assert taken(ledger, 1) == ["waits"]
        reconciler(database).sweep()
        assert taken(ledger) == ["a", "b"]

    def test_a_message_may_be_on_its_way_for_a_while(self, database: Database, ledger: Ledger) -> None:
        submit(ledger, "a")
        mark_sent(database, "a")
        reconciler(database, redispatch_after_s=60).sweep()
        assert taken(ledger) == []
        assert [claim.job_id for claim in ledger.claim_sent(["a"], "w")] == ["a"]

    def test_jobs_that_no_message_names_are_left_alone(self, database: Database, ledger: Ledger) -> None:
        submit(ledger, "a")
        before = column(database, "a", "rank")
        reconciler(database).sweep()
        assert (column(database, "a", "rank"), taken(ledger)) == (before, ["a"])

    def test_a_message_that_arrives_after_all_takes_nothing_twice(
        self, database: Database, ledger: Ledger
    ) -> None:
        submit(ledger, "a")
        mark_sent(database, "a")
        reconciler(database).sweep()
        assert taken(ledger) == ["a"]
        assert ledger.claim_sent(["a"], "other") == []


class TestLostWorkers:
    def test_a_lapsed_lease_is_taken_back(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        submit(ledger, "a", "b")
        claimed(ledger, "a", "lost/1")
        claimed(ledger, "b", "living/2")
        lose(database, "a")
        reconciler(database).sweep()
        assert (index.get("a").state, index.get("b").state) == (JobState.QUEUED, JobState.RUNNING)

    def test_a_dead_process_of_this_machine_need_not_wait_for_its_lease(
        self, database: Database, ledger: Ledger, index: JobIndex
    ) -> None:
        submit(ledger, "a")
        worker_registry = WorkerRegistry(database)
        # The number is that of a process which began at another time.
        worker_registry.announce(
            WorkerEntry("dead/1", (), (), "cpu", host=here(), pid=1, pid_started_at=-1.0)
        )
        claimed(ledger, "a", "dead/1")
        reconciler(database).sweep()
        assert index.get("a").state is JobState.QUEUED
        assert worker_registry.workers() == []

    def test_overdue_jobs_end(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        submit(ledger, "a", deadline_s=3600)
        overdue(database, "a")
        reconciler(database).sweep()
        assert (index.get("a").state, taken(ledger)) == (JobState.EXPIRED, [])

    def test_a_worker_that_starts_lets_the_others_renew_first(
        self, database: Database, ledger: Ledger, index: JobIndex
    ) -> None:
        """Perhaps it starts because the database is back. The jobs of dead workers need not wait."""
        submit(ledger, "a", "b")
        worker_registry = WorkerRegistry(database)
        worker_registry.announce(
            WorkerEntry("dead/1", (), (), "cpu", host=here(), pid=1, pid_started_at=-1.0)
        )
        claimed(ledger, "a", "dead/1")
        claimed(ledger, "b", "elsewhere/2")
        lose(database, "b")
        sweeping = reconciler(database)
        sweeping.postpone_reaping()
        sweeping.sweep()
        assert (index.get("a").state, index.get("b").state) == (JobState.QUEUED, JobState.RUNNING)
