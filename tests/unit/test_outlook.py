"""What lies ahead of a job: its place among tenants, estimates from measured times, and who could run it."""

from datetime import timedelta

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import JOBS, WORKERS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.queries import outlooks as ahead
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.queries.outlooks import Outlooks
from brushwork_schemas.options import Priority
from brushwork_schemas.outlook import Outlook
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import update

from tests.jobs import KIND, begun, new_job, result_of, said

MODEL = "pocket-diffusion"


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "KEEP_S", 0.0)
    monkeypatch.setattr(ahead, "KEEP_THROUGHPUT_S", 0.0)
    monkeypatch.setattr("brushwork_core.queries.ttl_cache.QUERY_TIMES", 0)


def outlook(database: Database, job_id: str) -> Outlook:
    found = Outlooks(database).of(JobIndex(database).get(job_id))
    assert found is not None
    return found


def positions(database: Database, *job_ids: str) -> list[int | None]:
    return [outlook(database, job_id).position for job_id in job_ids]


def worker(database: Database, name: str = "w", *, models: tuple[str, ...] = (MODEL,)) -> None:
    WorkerRegistry(database).announce(WorkerEntry(name, (KIND,), models, "cpu", ready=True))


def ran(ledger: Ledger, database: Database, job_id: str, begin_ms: int, end_ms: int, by: str = "w") -> None:
    """A job that succeeded, at times of its own."""
    ledger.submit([new_job(job_id)])
    ledger.complete(job_id, begun(ledger, job_id, by), result_of(1))
    change(database, job_id, started_at=begin_ms, finished_at=end_ms)


def change(database: Database, job_id: str, **columns: object) -> None:
    with database.writing() as connection:
        connection.execute(update(JOBS).where(JOBS.c.id == job_id).values(**columns))


def test_messages_go_first_by_priority_and_age(database: Database, ledger: Ledger) -> None:
    ledger.submit([new_job("first")])
    ledger.submit([new_job("second")])
    ledger.submit([new_job("urgent", priority=Priority.URGENT)])
    for number, job_id in enumerate(("first", "second", "urgent")):
        change(database, job_id, dispatched_at=1000 + number)
    ledger.submit([new_job("waits")])
    assert positions(database, "urgent", "first", "second", "waits") == [0, 1, 2, 3]
    begun(ledger, "urgent")
    assert positions(database, "urgent", "first", "waits") == [None, 0, 2]


def test_tenants_take_turns(database: Database, ledger: Ledger) -> None:
    ledger.submit([new_job(f"many-{index}", tenant="many") for index in range(5)])
    ledger.submit([new_job(f"few-{index}", tenant="few") for index in range(2)])
    ledger.submit([new_job("other", kind="image-to-text", tenant="few")])
    assert positions(database, "few-0", "few-1") == [0, 2]
    assert positions(database, "many-0", "many-2", "many-4") == [0, 4, 6]
    assert positions(database, "other") == [0]


def test_the_urgent_of_a_tenant_go_before_its_others(database: Database, ledger: Ledger) -> None:
    ledger.submit([new_job("normal")])
    ledger.submit([new_job("high", priority=Priority.HIGH)])
    assert positions(database, "high", "normal") == [0, 1]


def test_far_down_the_line_nobody_counts(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "MOST_COUNTED", 2)
    worker(database)
    ran(ledger, database, "done", 0, 1000)
    ledger.submit([new_job(f"job-{index}") for index in range(5)])
    assert positions(database, "job-1", "job-4") == [1, 2]
    assert outlook(database, "job-1").estimated_start_at is not None
    assert outlook(database, "job-4").estimated_start_at is None


def test_a_job_that_has_ended_has_nothing_ahead(database: Database, ledger: Ledger, index: JobIndex) -> None:
    ledger.submit([new_job("a")])
    queued = index.get("a")
    ledger.cancel("a")
    assert Outlooks(database).of(index.get("a")) is None
    # It ended after it was read.
    assert Outlooks(database).of(queued) is None


def test_nothing_is_estimated_that_was_not_measured(database: Database, ledger: Ledger) -> None:
    worker(database)
    ledger.submit([new_job("a")])
    assert outlook(database, "a") == Outlook(
        position=0, estimated_start_at=None, estimated_end_at=None, servable=True, num_workers=1
    )


def test_estimates_come_from_what_ended_lately(database: Database, ledger: Ledger, index: JobIndex) -> None:
    worker(database)
    # Two at once for ten seconds, and after an idle hour two more: four in twenty busy seconds.
    for number, begin in enumerate((0, 0, 3_600_000, 3_600_000)):
        ran(ledger, database, f"done-{number}", begin, begin + 10_000)
    ledger.submit([new_job(f"job-{number}") for number in range(3)])
    found = outlook(database, "job-2")
    assert found.estimated_start_at is not None
    assert found.estimated_end_at is not None
    waits = found.estimated_start_at - index.get("job-2").created_at
    assert timedelta(seconds=10) <= waits < timedelta(seconds=60)
    assert found.estimated_end_at - found.estimated_start_at == timedelta(seconds=10)


def test_more_workers_are_quicker(database: Database, ledger: Ledger) -> None:
    ran(ledger, database, "done", 0, 10_000)
    with database.reading() as connection:
        throughput = ahead.Throughput.read(connection)
    assert throughput.jobs_per_s(KIND, 1) == pytest.approx(0.1)
    assert throughput.jobs_per_s(KIND, 3) == pytest.approx(0.3)
    assert throughput.jobs_per_s("image-to-text", 1) is None


def test_a_job_is_measured_by_those_with_its_label_else_by_its_model(
    database: Database, ledger: Ledger
) -> None:
    for number, (label, seconds) in enumerate((("small", 1), ("small", 3), ("small", 2), ("large", 60))):
        ran(ledger, database, f"done-{number}", 0, 1000 * seconds)
        change(database, f"done-{number}", label=label)
    with database.reading() as connection:
        throughput = ahead.Throughput.read(connection)
    assert throughput.running_s(KIND, MODEL, "small") == 2
    assert throughput.running_s(KIND, MODEL, "large") == 60
    assert throughput.running_s(KIND, MODEL, "new") == 2.5
    assert throughput.running_s(KIND, "new", "new") is None


def test_a_running_job_is_measured_by_its_own_steps(
    database: Database, ledger: Ledger, index: JobIndex
) -> None:
    ledger.submit([new_job("a")])
    fence = begun(ledger, "a")
    now_ms = round(index.get("a").created_at.timestamp() * 1000)
    change(database, "a", started_at=now_ms - 10_000)
    assert said(database, "a", fence, 2, 8)
    found = outlook(database, "a")
    assert found.estimated_start_at == index.get("a").started_at
    assert found.estimated_end_at is not None
    assert timedelta(seconds=30) <= found.estimated_end_at - index.get("a").created_at < timedelta(seconds=90)


def test_an_estimate_is_not_before_the_end_of_a_pause(
    database: Database, ledger: Ledger, index: JobIndex
) -> None:
    worker(database)
    ran(ledger, database, "done", 0, 1000)
    ledger.submit([new_job("a")])
    later = round(index.get("a").created_at.timestamp() * 1000) + 500_000
    change(database, "a", not_before=later)
    start = outlook(database, "a").estimated_start_at
    assert start is not None
    assert round(start.timestamp() * 1000) == later


@pytest.mark.parametrize("why", ["nobody", "not ready", "silent", "another model", "another kind"])
def test_a_job_that_nobody_could_run_is_not_servable_and_has_no_estimate(
    database: Database, ledger: Ledger, why: str
) -> None:
    ran(ledger, database, "done", 0, 1000)
    ledger.submit([new_job("a")])
    entries = {
        "not ready": WorkerEntry("w", (KIND,), (MODEL,), "cpu"),
        "silent": WorkerEntry("w", (KIND,), (MODEL,), "cpu", ready=True),
        "another model": WorkerEntry("w", (KIND,), ("other",), "cpu", ready=True),
        "another kind": WorkerEntry("w", ("image-to-text",), (MODEL,), "cpu", ready=True),
    }
    if why in entries:
        WorkerRegistry(database).announce(entries[why])
    if why == "silent":
        with database.writing() as connection:
            connection.execute(update(WORKERS).values(seen_at=WORKERS.c.seen_at - 60_000))
    found = outlook(database, "a")
    assert (found.servable, found.position) == (False, 0)
    assert (found.estimated_start_at, found.estimated_end_at) == (None, None)
