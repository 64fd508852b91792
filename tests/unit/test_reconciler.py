"""What a sweep publishes again, and what it leaves alone."""

from collections.abc import Sequence
from typing import Any

import pytest
from brushwork_schemas.database import Database
from brushwork_schemas.job_index import JobIndex
from brushwork_schemas.ledger import Dispatch, Ledger, NewJob
from brushwork_workers.reconciler import Reconciler

KIND = "text-to-image"


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


def sweep(database: Database, queue: Any, *, redispatch_after_s: float = 0.0) -> None:
    Reconciler(Ledger(database), JobIndex(database), queue, redispatch_after_s=redispatch_after_s).sweep()


def submit(ledger: Ledger, *job_ids: str) -> None:
    ledger.submit([NewJob(job_id, KIND, "m", "label", {"prompt": "x"}) for job_id in job_ids])


def test_jobs_whose_messages_are_gone_are_published(database: Database, ledger: Ledger) -> None:
    submit(ledger, "a", "b")
    queue = FakeQueue(num_waiting=0)
    # A job of this very millisecond is not yet older than nothing.
    for _ in range(1000):
        sweep(database, queue)
        if set(queue.sent) == {"a", "b"}:
            return
    pytest.fail(f"only {queue.sent} were published")


def test_jobs_that_wait_in_the_queue_are_left_alone(database: Database, ledger: Ledger) -> None:
    submit(ledger, "a", "b")
    queue = FakeQueue(num_waiting=2)
    sweep(database, queue)
    assert queue.sent == []


def test_a_message_may_be_on_its_way_for_a_while(database: Database, ledger: Ledger) -> None:
    submit(ledger, "a")
    queue = FakeQueue(num_waiting=0)
    sweep(database, queue, redispatch_after_s=60)
    assert queue.sent == []


def test_jobs_that_were_never_sent_do_not_wait_for_others(database: Database, ledger: Ledger) -> None:
    submit(ledger, "a", "b")
    ledger.undispatch(["b"])
    queue = FakeQueue(num_waiting=5)
    sweep(database, queue, redispatch_after_s=60)
    assert queue.sent == ["b"]


def test_what_redis_does_not_take_is_tried_at_the_next_sweep(database: Database, ledger: Ledger) -> None:
    submit(ledger, "a")
    ledger.undispatch(["a"])
    sweep(database, FakeQueue(answers=False), redispatch_after_s=60)
    queue = FakeQueue()
    sweep(database, queue, redispatch_after_s=60)
    assert queue.sent == ["a"]


def test_a_lost_workers_job_is_published_in_the_same_sweep(database: Database) -> None:
    hasty = Ledger(database, lease_s=-1)
    submit(hasty, "a")
    assert hasty.claim("a", "dead/1") is not None
    queue = FakeQueue(num_waiting=0)
    sweep(database, queue, redispatch_after_s=60)
    assert queue.sent == ["a"]
