"""What a sweep takes back and publishes again, and what it leaves alone."""

from collections.abc import Sequence
from typing import Any

from brushwork_core.database.database import Database
from brushwork_core.fleet.process_liveness import here
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Dispatch, Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from brushwork_workers.supervision.reconciler import Reconciler

from tests.jobs import claimed, lose, new_job, overdue


class FakeQueue:
    """Redis as the reconciler sees it."""

    def __init__(self, *, num_waiting: int = 0, answers: bool = True) -> None:
        self.waiting = num_waiting
        self.answers = answers
        self.sent: list[str] = []

    def publish(self, jobs: Sequence[Dispatch]) -> bool:
        if self.answers:
            self.sent += [job.job_id for job in jobs]
        return self.answers

    def num_waiting(self, kind: str) -> int:
        return self.waiting


def reconciler(database: Database, queue: Any, *, redispatch_after_s: float = -1.0) -> Reconciler:
    return Reconciler(
        Ledger(database, lease_s=600),
        WorkerRegistry(database),
        queue,
        redispatch_after_s=redispatch_after_s,
        lease_s=600,
    )


def submit(ledger: Ledger, *job_ids: str, **options: object) -> None:
    ledger.submit([new_job(job_id, **options) for job_id in job_ids])


class TestMessages:
    def test_jobs_whose_messages_are_gone_are_published(self, database: Database, ledger: Ledger) -> None:
        submit(ledger, "a", "b")
        queue = FakeQueue(num_waiting=0)
        reconciler(database, queue).sweep()
        assert queue.sent == ["a", "b"]

    def test_no_more_are_published_than_are_missing(self, database: Database, ledger: Ledger) -> None:
        submit(ledger, "a", "b", "c")
        queue = FakeQueue(num_waiting=2)
        reconciler(database, queue).sweep()
        assert queue.sent == ["a"]

    def test_jobs_that_wait_in_the_queue_are_left_alone(self, database: Database, ledger: Ledger) -> None:
        submit(ledger, "a", "b")
        queue = FakeQueue(num_waiting=2)
        reconciler(database, queue).sweep()
        assert queue.sent == []

    def test_a_message_may_be_on_its_way_for_a_while(self, database: Database, ledger: Ledger) -> None:
        submit(ledger, "a")
        queue = FakeQueue(num_waiting=0)
        reconciler(database, queue, redispatch_after_s=60).sweep()
        assert queue.sent == []

    def test_jobs_that_were_never_sent_are_left_to_the_feeder(
        self, database: Database, ledger: Ledger
    ) -> None:
        submit(ledger, "a", "b")
        ledger.undispatch(["b"])
        queue = FakeQueue(num_waiting=0)
        reconciler(database, queue).sweep()
        assert queue.sent == ["a"]

    def test_what_redis_does_not_take_goes_back_to_the_backlog(
        self, database: Database, ledger: Ledger
    ) -> None:
        submit(ledger, "a")
        reconciler(database, FakeQueue(answers=False)).sweep()
        assert (ledger.num_dispatched("text-to-image"), ledger.has_backlog("text-to-image")) == (0, True)


class TestLostWorkers:
    def test_a_lapsed_lease_is_taken_back(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        submit(ledger, "a", "b")
        claimed(ledger, "a", "lost/1")
        claimed(ledger, "b", "living/2")
        lose(database, "a")
        reconciler(database, FakeQueue()).sweep()
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
        reconciler(database, FakeQueue()).sweep()
        assert index.get("a").state is JobState.QUEUED
        assert worker_registry.workers() == []

    def test_overdue_jobs_end(self, database: Database, ledger: Ledger, index: JobIndex) -> None:
        submit(ledger, "a", deadline_s=3600)
        overdue(database, "a")
        queue = FakeQueue()
        reconciler(database, queue).sweep()
        assert (index.get("a").state, queue.sent) == (JobState.EXPIRED, [])

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
        sweeping = reconciler(database, FakeQueue())
        sweeping.postpone_reaping()
        sweeping.sweep()
        assert (index.get("a").state, index.get("b").state) == (JobState.QUEUED, JobState.RUNNING)
