"""Spare threads of a worker: only for jobs of tenants below their share, while the usual ones are busy."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import ClaimOrder, Claims, Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.shares.equal_share import below_share
from brushwork_schemas.states import JobState
from brushwork_workers.dispatch import job_pool
from brushwork_workers.dispatch.job_pool import JobPool

from tests.jobs import KIND, new_job
from tests.servers import wait_until


class Work:
    """Jobs that wait, and those that run until they are let go."""

    def __init__(self) -> None:
        self.usual: list[str] = []
        self.below: list[str] = []
        self.running: list[str] = []
        self.let_go = threading.Event()
        self.asked_spare = 0

    def claim(self, limit: int) -> Claims:
        return self._claims(self.usual, limit)

    def claim_spare(self, limit: int) -> Claims:
        self.asked_spare += 1
        return self._claims(self.below, limit)

    def run(self, claims: Any) -> Any:
        self.running.append(claims[0].job_id)
        assert self.let_go.wait(30)
        self.running.remove(claims[0].job_id)
        return ()

    def _claims(self, waiting: list[str], limit: int) -> Claims:
        taken = [waiting.pop(0) for _ in range(min(limit, len(waiting)))]
        jobs: Any = tuple(SimpleNamespace(job_id=name) for name in taken)
        return Claims(jobs, more=len(taken) == limit)


@contextmanager
def pool(work: Work, size: int, *, has_spare: bool = True) -> Iterator[JobPool]:
    made = JobPool(size, work.claim, work.run, claim_spare=work.claim_spare if has_spare else None)
    made.start()
    try:
        yield made
    finally:
        work.let_go.set()
        made.stop()
        made.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_pool, "SPARE_LOOK_S", 0.01)


def test_a_full_worker_takes_jobs_of_tenants_below_their_share_and_no_others() -> None:
    work = Work()
    work.usual += [f"usual-{number}" for number in range(20)]
    with pool(work, 8) as chosen:
        wait_until(lambda: len(work.running) == 8)
        assert not chosen.has_room
        work.below += [f"below-{number}" for number in range(5)]
        wait_until(lambda: len(work.running) == 12)
        assert not chosen.has_room
        assert sorted(work.running)[:4] == ["below-0", "below-1", "below-2", "below-3"]
        chosen.wake()
        assert work.below == ["below-4"]
        assert len(work.usual) == 12


def test_without_spare_threads_and_with_room_nobody_looks_for_them() -> None:
    work = Work()
    with pool(work, 8) as chosen:
        wait_until(lambda: chosen._num_free == 12)
        work.asked_spare = 0
        work.usual.append("usual")
        chosen.wake()
        wait_until(lambda: work.running == ["usual"])
        assert work.asked_spare == 0
    few = Work()
    few.usual += ["a", "b", "c", "d"]
    few.below.append("below")
    with pool(few, 3):
        wait_until(lambda: len(few.running) == 3)
    assert (few.asked_spare, few.below) == (0, ["below"])


@pytest.mark.parametrize(
    ("number", "waiting", "running", "right"),
    [
        (4, ["a", "b"], {"a": 16}, {"b": 4}),
        (4, ["b"], {"a": 16}, {"b": 4}),
        (9, ["b"], {"a": 16, "b": 6}, {"b": 5}),
        (4, ["a"], {"a": 16}, {}),
        (4, ["a", "b"], {"a": 8, "b": 8}, {}),
        (4, ["a", "b"], {}, {}),
        (4, ["b"], {"b": 16}, {}),
        (4, ["b", "c"], {"a": 16}, {"b": 2, "c": 2}),
        (1, ["b"], {"a": 1}, {"b": 1}),
        (4, ["b"], {"a": 1, "b": 1}, {}),
    ],
)
def test_who_is_below_the_share(
    number: int, waiting: list[str], running: dict[str, int], right: dict[str, int]
) -> None:
    assert below_share(number, waiting, running) == right


def test_the_ledger_claims_for_those_below_their_share_alone(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job(f"greedy-{number}", tenant="greedy") for number in range(20)])
    order = ClaimOrder([KIND])
    assert len(ledger.claim_next(order, "w", 8).jobs) == 8
    assert ledger.claim_below_share(order, "w", 2).jobs == ()
    ledger.submit([new_job(f"late-{number}", tenant="late") for number in range(9)])
    claimed = [job.job_id for job in ledger.claim_below_share(order, "w", 2).jobs]
    assert claimed == ["late-0", "late-1"]
    while ledger.claim_below_share(order, "w", 9).jobs:
        pass
    jobs = JobIndex(database).list(limit=100)
    running = Counter(job.tenant for job in jobs if job.state is JobState.RUNNING)
    assert running["greedy"] == 8
    assert 6 <= running["late"] <= 8
