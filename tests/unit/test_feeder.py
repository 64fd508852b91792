"""How Redis is topped up: as far as there is room, by turns, and nothing is lost if it takes nothing."""

from collections.abc import Sequence

import pytest
from brushwork_core.ledger import Dispatch, Ledger
from brushwork_schemas.errors import ServiceUnreachable
from brushwork_workers.dispatch.feeder import Feeder

from tests.jobs import KIND, claimed, new_job


class FakeQueue:
    """Redis as the feeder sees it."""

    def __init__(self, num_waiting: int = 0) -> None:
        self.waiting: list[Dispatch] = [Dispatch(f"old-{number}", KIND, "") for number in range(num_waiting)]
        self.takes = self.answers = True

    def publish(self, jobs: Sequence[Dispatch]) -> bool:
        if self.takes:
            self.waiting += jobs
        return self.takes

    def num_waiting(self, kind: str) -> int:
        if not self.answers:
            raise ServiceUnreachable("away")
        return sum(job.kind == kind for job in self.waiting)

    def ids(self) -> list[str]:
        return [job.job_id for job in self.waiting]


def feeder(ledger: Ledger, queue: FakeQueue, queue_ahead: int = 4, kinds: Sequence[str] = (KIND,)) -> Feeder:
    return Feeder(ledger, queue, kinds, queue_ahead)  # type: ignore[arg-type]


def wait(ledger: Ledger, *job_ids: str, **options: object) -> None:
    ledger.submit([new_job(job_id, **options) for job_id in job_ids], sent=())


@pytest.mark.parametrize(("num_waiting", "fed"), [(0, 4), (3, 1), (4, 0), (9, 0)])
def test_there_are_never_more_messages_than_wanted(ledger: Ledger, num_waiting: int, fed: int) -> None:
    wait(ledger, *(f"job-{number}" for number in range(9)))
    queue = FakeQueue(num_waiting)
    feeder(ledger, queue).feed()
    assert queue.ids()[num_waiting:] == [f"job-{number}" for number in range(fed)]


def test_a_tenant_that_comes_later_does_not_wait_for_the_messages_of_another(ledger: Ledger) -> None:
    ledger.submit([new_job(f"run-{number}", tenant="greedy") for number in range(4)])
    for number in range(4):
        claimed(ledger, f"run-{number}")
    wait(ledger, *(f"greedy-{number}" for number in range(9)), tenant="greedy")
    queue = FakeQueue()
    feeding = feeder(ledger, queue)
    feeding.feed()
    assert queue.ids() == [f"greedy-{number}" for number in range(4)]
    wait(ledger, *(f"late-{number}" for number in range(9)), tenant="late")
    feeding.feed()
    feeding.feed()
    # Half of the running jobs is its share. They go to the list that is taken first.
    assert [(job.job_id, job.again) for job in queue.waiting[4:]] == [("late-0", True), ("late-1", True)]
    for name in ("late-0", "late-1"):
        claimed(ledger, name)
    for _ in range(3):
        feeding.feed()
    # Six jobs run now, so its share is three.
    assert queue.ids()[6:] == ["late-2"]


def test_what_overtakes_stays_in_its_place_if_redis_takes_nothing(ledger: Ledger) -> None:
    ledger.submit([new_job("run", tenant="greedy")])
    claimed(ledger, "run")
    wait(ledger, "late", tenant="late")
    queue = FakeQueue(num_waiting=9)
    queue.takes = False
    feeding = feeder(ledger, queue)
    feeding.feed()
    queue.takes = True
    feeding.feed()
    assert queue.ids()[9:] == ["late"]


def test_what_redis_does_not_take_stays_in_its_place(ledger: Ledger) -> None:
    wait(ledger, "a", "b")
    queue = FakeQueue()
    feeding = feeder(ledger, queue)
    queue.takes = False
    feeding.feed()
    queue.takes = True
    feeding.feed()
    assert queue.ids() == ["a", "b"]


def test_without_redis_nothing_is_dispatched(ledger: Ledger) -> None:
    wait(ledger, "a")
    queue = FakeQueue()
    queue.answers = False
    feeder(ledger, queue).feed()
    assert (queue.ids(), ledger.num_dispatched(KIND)) == ([], 0)


def test_tenants_take_turns_from_one_round_to_the_next(ledger: Ledger) -> None:
    for tenant in "xyz":
        wait(ledger, *(f"{tenant}{number}" for number in range(3)), tenant=tenant)
    queue = FakeQueue()
    feeding = feeder(ledger, queue, queue_ahead=2)
    for _ in range(3):
        feeding.feed()
        queue.waiting, fed = [], queue.ids()
        assert len(fed) == 2
    assert fed == ["y1", "z1"]


def test_only_the_worker_s_own_kinds_are_fed(ledger: Ledger) -> None:
    wait(ledger, "a")
    wait(ledger, "b", kind="image-to-text")
    queue = FakeQueue()
    feeder(ledger, queue, kinds=["image-to-text"]).feed()
    assert queue.ids() == ["b"]
