"""How two workers divide what waits, and that no job waits long for a worker that takes none."""

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.queries.worker_load import JobLoad, WorkerLoads
from brushwork_workers.dispatch import even_load
from brushwork_workers.dispatch.even_load import PATIENCE_S, EvenLoad, Share

from tests.jobs import KIND, claimed, new_job

EVERYTHING = 32


class FixedLoads:
    """Loads as the test says."""

    def __init__(self, waiting: int, running: int = 0, own: int = 0) -> None:
        self.now = JobLoad(waiting, running, own)

    def load(self, kinds: object, worker: str, most: int) -> JobLoad:
        return self.now


class Fleet:
    """One worker of a fleet, and how often it has woken the others."""

    def __init__(self, loads: FixedLoads, num_others: int = 1) -> None:
        self.num_woken = 0
        self.load = EvenLoad(
            loads,  # type: ignore[arg-type]
            "w",
            [KIND],
            num_others=lambda: num_others,
            wake_others=self._wake,
        )

    def _wake(self) -> None:
        self.num_woken += 1


@pytest.mark.parametrize(
    ("waiting", "running", "own", "number"),
    [(4, 0, 0, 2), (5, 0, 0, 3), (64, 0, 0, 32), (1, 1, 1, 0), (3, 2, 2, 1), (2, 6, 0, 2), (1, 3, 1, 1)],
)
def test_a_worker_takes_what_makes_both_run_equally_many(
    waiting: int, running: int, own: int, number: int
) -> None:
    fleet = Fleet(FixedLoads(waiting, running, own))
    share = fleet.load.share(EVERYTHING)
    assert min(share.number, waiting) == number
    is_left = number < min(waiting, EVERYTHING)
    assert (share.again_s, fleet.num_woken) == ((PATIENCE_S, 1) if is_left else (None, 0))


@pytest.mark.parametrize("num_others", [0, 8, 100])
def test_alone_and_in_a_large_fleet_it_takes_all(num_others: int) -> None:
    fleet = Fleet(FixedLoads(waiting=5), num_others)
    assert fleet.load.share(EVERYTHING) == Share(EVERYTHING)


def test_what_nobody_takes_within_a_moment_it_takes_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(even_load.time, "monotonic", lambda: now_s)
    fleet = Fleet(FixedLoads(waiting=1, running=1, own=1))
    assert fleet.load.share(EVERYTHING) == Share(0, PATIENCE_S)
    now_s += PATIENCE_S / 2
    assert fleet.load.share(EVERYTHING) == Share(0, PATIENCE_S)
    now_s += PATIENCE_S
    assert fleet.load.share(EVERYTHING) == Share(EVERYTHING)
    assert fleet.load.share(EVERYTHING) == Share(0, PATIENCE_S), "the next job is left to others again"
    assert fleet.num_woken == 2


def test_it_takes_nothing_where_nothing_waits() -> None:
    assert Fleet(FixedLoads(waiting=0, running=4)).load.share(EVERYTHING) == Share(0)


def test_jobs_are_counted_by_kind_and_worker(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job(f"job-{number}") for number in range(6)])
    ledger.submit([new_job("other", kind="image-to-text")])
    for number, worker in ((0, "w"), (1, "w"), (2, "v")):
        claimed(ledger, f"job-{number}", worker)
    loads = WorkerLoads(database)
    assert loads.load([KIND], "w", 64) == JobLoad(waiting=3, running=3, own=2)
    assert loads.load([KIND], "w", 2) == JobLoad(waiting=2, running=3, own=2)
    assert loads.load([KIND, "image-to-text"], "v", 64) == JobLoad(waiting=4, running=3, own=1)
    assert loads.load(["image-to-image"], "v", 64) == JobLoad(waiting=0, running=0, own=0)
