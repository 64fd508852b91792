"""Figures of the whole ledger, and what they cost however much there is."""

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS, WORKERS
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.queries.ledger_stats import LedgerStats, OutboxStats, QueueStats
from brushwork_schemas.states import JobState
from brushwork_schemas.worker import WorkerEntry
from sqlalchemy import event, update

from tests.jobs import ERROR, KIND, claimed, new_job, result_of

OTHER = "image-to-text"


def earlier(database: Database, table: object, by_ms: int, **columns: object) -> None:
    column = {
        JOBS: JOBS.c.queued_at,
        WEBHOOK_EVENTS: WEBHOOK_EVENTS.c.created_at,
        WORKERS: WORKERS.c.seen_at,
    }[table]  # type: ignore[index]
    with database.writing() as connection:
        connection.execute(update(column.table).values({column: column - by_ms}).filter_by(**columns))


def test_queues_by_kind(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job(job_id) for job_id in "abc"])
    ledger.submit([new_job("waits", tenant="t")])
    claimed(ledger, "c")
    earlier(database, JOBS, 50_000, id="waits")
    queues = LedgerStats(database).queues()
    assert queues[KIND].depth == 3
    assert 50 <= queues[KIND].oldest_s < 100
    assert queues[OTHER] == QueueStats(0, 0.0)


def test_jobs_by_state(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job(job_id) for job_id in "abcd"])
    ledger.complete("a", claimed(ledger, "a").fence, result_of(1))
    ledger.fail("b", claimed(ledger, "b").fence, ERROR)
    claimed(ledger, "c")
    figures = LedgerStats(database)
    assert figures.num_running() == 1
    assert figures.num_ended() == {
        JobState.SUCCEEDED: 1, JobState.FAILED: 1, JobState.CANCELED: 0, JobState.EXPIRED: 0,
    }  # fmt: skip


def test_events_that_wait_and_those_that_are_dead(ledger: Ledger, database: Database) -> None:
    figures, outbox = LedgerStats(database), Outbox(database)
    assert figures.outbox() == OutboxStats(0, 0.0, 0)
    ledger.submit([new_job(job_id, webhook_url=f"https://{job_id}.example") for job_id in "abc"])
    for job_id in "abc":
        ledger.cancel(job_id)
    told, dead, _ = sorted(outbox.take(9), key=lambda due: due.id)
    outbox.delivered(told, 204)
    outbox.mark_dead(dead, error="no")
    earlier(database, WEBHOOK_EVENTS, 90_000, job_id="c")
    found = figures.outbox()
    assert (found.num_open, found.num_dead) == (1, 1)
    assert 90 <= found.oldest_s < 150


def test_what_was_taken_back_is_counted_whoever_did_it(ledger: Ledger, database: Database) -> None:
    figures = LedgerStats(database)
    assert set(figures.reaped().values()) == {0}
    ledger.submit([new_job(job_id) for job_id in "abc"])
    for job_id in "abc":
        claimed(ledger, job_id, "first")
    ledger.cancel("c")
    Ledger(database).reap(["first"])
    claimed(ledger, "a", "second")
    ledger.reap(["second"])
    ledger.reap(["second"])
    found = {fate: number for fate, number in figures.reaped().items() if number}
    assert found == {"suspect": 2, "canceled": 1, "innocent": 1}


def test_workers_that_are_there(database: Database) -> None:
    worker_registry = WorkerRegistry(database)
    for name, ready in (("a/1", True), ("b/1", False), ("silent/1", True)):
        kinds = (KIND, "image-to-text") if ready else (KIND,)
        worker_registry.announce(WorkerEntry(name, kinds, ("m",), "cpu", ready=ready))
    earlier(database, WORKERS, 60_000, name="silent/1")
    found = LedgerStats(database).workers(30)
    there = {(KIND, True): 1, (KIND, False): 1, ("image-to-text", True): 1}
    assert {served: number for served, number in found.items() if number} == there
    # Zero, not nothing, where no worker serves a kind.
    assert found["image-to-text", False] == found["image-segmentation", True] == 0


def test_what_is_under_way_is_found_by_index(sqlite_url: str) -> None:
    """However much has ended; PostgreSQL plans by size."""
    database = Database(sqlite_url)
    statements: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    figures = LedgerStats(database)
    Ledger(database).submit([new_job("a")])
    statements.clear()
    figures.queues(), figures.num_running(), figures.outbox()
    event.remove(database.engine, "before_cursor_execute", note)
    reads = [(statement, parameters) for statement, parameters in statements if "SELECT" in statement]
    assert len(reads) >= 8
    with database.reading() as connection:
        plans = [
            row[3]
            for statement, parameters in reads
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    database.close()
    assert [line for line in plans if "newest" in line and "newest_of_state (state=?)" not in line] == []
    tables = [line for line in plans if line.startswith("SCAN") and (" jobs" in line or " webhook" in line)]
    assert [line for line in tables if "INDEX" not in line] == []


@pytest.mark.parametrize("state", ["queued", "running"])
def test_states_that_are_no_end_are_not_counted_as_one(
    ledger: Ledger, database: Database, state: str
) -> None:
    ledger.submit([new_job("a")])
    if state == "running":
        claimed(ledger, "a")
    assert set(LedgerStats(database).num_ended().values()) == {0}
