"""Who is charged when a worker is gone: one that ran alone is; of several, none is until one dies alone."""

from collections.abc import Callable

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import WORKERS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger, Reaped
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import update

from tests.jobs import ERROR, begun, claimed, column, lose, new_job, overdue

LEASE_S = 600.0


@pytest.fixture
def die(ledger: Ledger) -> Callable[..., Reaped]:
    """These jobs begin on one worker, which then dies."""

    def die(*job_ids: str, worker: str = "w") -> Reaped:
        for job_id in job_ids:
            begun(ledger, job_id, worker)
        return ledger.reap([worker])

    return die


def submit(ledger: Ledger, job_ids: str, **options: object) -> None:
    ledger.submit([new_job(job_id, **options) for job_id in job_ids])


def seen(database: Database, worker: str, ago_s: float = 0.0) -> None:
    WorkerRegistry(database).announce(WorkerEntry(worker, ("text-to-image",), (), "cpu", ready=True))
    with database.writing() as connection:
        earlier = WORKERS.c.seen_at - round(ago_s * 1000)
        connection.execute(update(WORKERS).where(WORKERS.c.name == worker).values(seen_at=earlier))


def test_one_job_that_ran_alone_is_charged(
    ledger: Ledger, index: JobIndex, die: Callable[..., Reaped]
) -> None:
    submit(ledger, "a")
    assert die("a") == Reaped(queued=("a",))
    job = index.get("a")
    assert (job.state, job.attempt, job.worker) == (JobState.QUEUED, 1, None)
    assert job.last_error is not None
    assert job.last_error.code == "worker_lost"
    assert claimed(ledger, "a").alone


def test_of_several_none_is_charged_and_each_runs_alone(
    ledger: Ledger, index: JobIndex, die: Callable[..., Reaped]
) -> None:
    submit(ledger, "abc")
    reaped = die("a", "b", "c")
    assert set(reaped.queued) == set(reaped.suspects) == set("abc")
    assert {index.get(name).attempt for name in "abc"} == {0}
    assert all(claimed(ledger, name, f"worker-{name}").alone for name in "abc")


def test_a_job_that_only_waits_until_it_is_alone_is_innocent(
    ledger: Ledger, index: JobIndex, die: Callable[..., Reaped]
) -> None:
    submit(ledger, "ab")
    die("a", "b")
    claimed(ledger, "b")
    reaped = die("a")
    assert (set(reaped.queued), reaped.suspects) == ({"a", "b"}, ())
    assert (index.get("a").attempt, index.get("b").attempt) == (1, 0)


def test_one_that_dies_alone_clears_the_others_of_that_worker(
    ledger: Ledger, die: Callable[..., Reaped]
) -> None:
    submit(ledger, "abcx")
    die("a", "b", "c")
    die("x", worker="other")
    die("a", worker="next")
    alone = {name: claimed(ledger, name).alone for name in "abcx"}
    assert alone == {"a": True, "b": False, "c": False, "x": True}


def test_one_that_only_needs_much_memory_stays_alone_when_another_such_dies(
    ledger: Ledger, die: Callable[..., Reaped]
) -> None:
    submit(ledger, "ab")
    for name in "ab":
        ledger.retry(name, claimed(ledger, name).fence, ERROR, after_s=0, alone=True)
    die("a")
    assert claimed(ledger, "b").alone


def test_the_third_death_of_its_own_is_the_end(
    ledger: Ledger, index: JobIndex, die: Callable[..., Reaped]
) -> None:
    submit(ledger, "ab")
    die("a", "b")
    assert [die("a").failed for _ in range(3)] == [(), (), ("a",)]
    job = index.get("a")
    assert (job.state, job.attempt) == (JobState.FAILED, 3)
    assert job.error is not None
    assert (job.error.code, job.error.fault) == ("worker_lost", "machine")
    assert (index.get("b").state, index.get("b").attempt) == (JobState.QUEUED, 0)


def test_a_dead_worker_s_jobs_come_back_before_their_leases_run_out(ledger: Ledger, index: JobIndex) -> None:
    submit(ledger, "ab")
    begun(ledger, "a", "dead")
    begun(ledger, "b", "living")
    assert ledger.reap() == Reaped()
    assert ledger.reap(["dead", "nobody"]).queued == ("a",)
    assert index.get("b").state is JobState.RUNNING


def test_one_lapsed_lease_of_a_silent_worker_takes_all_its_jobs(ledger: Ledger, database: Database) -> None:
    submit(ledger, "ab")
    begun(ledger, "a")
    begun(ledger, "b")
    seen(database, "w", ago_s=LEASE_S)
    lose(database, "a")
    assert set(ledger.reap().suspects) == {"a", "b"}


def test_a_worker_that_beats_loses_only_what_it_let_go(
    ledger: Ledger, database: Database, index: JobIndex
) -> None:
    submit(ledger, "ab")
    begun(ledger, "a")
    begun(ledger, "b")
    seen(database, "w")
    lose(database, "a")
    assert ledger.reap() == Reaped(queued=("a",))
    job = index.get("a")
    assert job.attempt == 1
    assert job.last_error is not None
    assert job.last_error.code == "stalled"
    assert index.get("b").state is JobState.RUNNING


def test_a_worker_that_died_just_after_it_was_seen_is_gone_with_all_its_jobs(
    ledger: Ledger, database: Database
) -> None:
    """It is seen a moment after it renews, so its leases run out while it was seen within one."""
    submit(ledger, "ab")
    begun(ledger, "a")
    begun(ledger, "b")
    seen(database, "w", ago_s=LEASE_S - 1)
    lose(database, "a", "b")
    assert set(ledger.reap().suspects) == {"a", "b"}


def test_a_stalled_job_fails_as_such_once_its_attempts_are_used_up(ledger: Ledger, index: JobIndex) -> None:
    submit(ledger, "a", max_attempts=2)
    for _ in range(2):
        begun(ledger, "a")
        ledger.reap(["w"], stalled=["a"])
    job = index.get("a")
    assert (job.state, job.attempt) == (JobState.FAILED, 2)
    assert job.error is not None
    assert job.error.code == "stalled"


def test_several_that_stall_at_once_are_suspects(ledger: Ledger) -> None:
    submit(ledger, "ab")
    begun(ledger, "a")
    begun(ledger, "b")
    assert set(ledger.reap(["w"], stalled=["a", "b"]).suspects) == {"a", "b"}


def test_renewal_leaves_out_what_stands_still(ledger: Ledger, database: Database) -> None:
    submit(ledger, "ab")
    fences = {name: begun(ledger, name) for name in "ab"}
    before = column(database, "a", "lease_expires_at")
    assert ledger.renew("w", without=["a"]).keys() == {("b", fences["b"])}
    assert column(database, "a", "lease_expires_at") == before


def test_withdrawn_and_overdue_jobs_end_with_their_worker(ledger: Ledger, database: Database) -> None:
    submit(ledger, "abc", deadline_s=3600)
    for name in "abc":
        begun(ledger, name)
    ledger.cancel("a")
    overdue(database, "a", "b")
    reaped = ledger.reap(["w"])
    assert (reaped.canceled, reaped.expired, reaped.queued) == (("a",), ("b",), ("c",))
