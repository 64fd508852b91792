"""What is to be told: one event for each end of a job, written with that end or not at all."""

from collections.abc import Callable

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.database.tables import JOBS, RESULTS
from brushwork_core.ledger import Ledger, WriteOutcome
from sqlalchemy import Connection, event, select

from tests.jobs import ERROR, begun, claimed, count, new_job, overdue, result_of

URL = "https://receiver.example/hook"
End = Callable[[Ledger, Database], object]


def running(ledger: Ledger, job_id: str = "a") -> int:
    return claimed(ledger, job_id).fence


def canceled_by_worker(ledger: Ledger, database: Database) -> None:
    fence = running(ledger)
    ledger.cancel("a")
    ledger.stop("a", fence)


def given_back(ledger: Ledger, database: Database) -> None:
    fence = running(ledger)
    ledger.cancel("a")
    ledger.release("a", fence)


def late(ledger: Ledger, database: Database) -> None:
    overdue(database, "a")
    ledger.expire_queued()


def lost(ledger: Ledger, database: Database) -> None:
    for _ in range(3):
        begun(ledger, "a")
        ledger.reap(["w"])


def lost_and_withdrawn(ledger: Ledger, database: Database) -> None:
    running(ledger)
    ledger.cancel("a")
    ledger.reap(["w"])


ENDS: dict[str, tuple[str, End]] = {
    "complete": ("succeeded", lambda ledger, database: ledger.complete("a", running(ledger), result_of(1))),
    "fail": ("failed", lambda ledger, database: ledger.fail("a", running(ledger), ERROR)),
    "stop": ("canceled", canceled_by_worker),
    "expire": ("expired", lambda ledger, database: ledger.expire("a", running(ledger))),
    "cancel": ("canceled", lambda ledger, database: ledger.cancel("a")),
    "release": ("canceled", given_back),
    "expire_queued": ("expired", late),
    "reap, attempts used up": ("failed", lost),
    "reap, withdrawn": ("canceled", lost_and_withdrawn),
}


def events(database: Database) -> list[tuple[str, str, str, str]]:
    columns = WEBHOOK_EVENTS.c
    with database.reading() as connection:
        rows = connection.execute(select(columns.id, columns.job_id, columns.state, columns.url))
        return [tuple(row) for row in rows]


@pytest.mark.parametrize(("state", "end"), ENDS.values(), ids=ENDS)
def test_each_end_is_told_once(ledger: Ledger, database: Database, state: str, end: End) -> None:
    ledger.submit([new_job("a", webhook_url=URL, deadline_s=3600), new_job("b", deadline_s=3600)])
    assert events(database) == []
    end(ledger, database)
    assert events(database) == [(f"a:{state}", "a", state, URL)]
    ledger.cancel("a")
    ledger.reap(["w"])
    ledger.expire_queued()
    assert len(events(database)) == 1


@pytest.mark.parametrize(("state", "end"), ENDS.values(), ids=ENDS)
def test_where_nobody_is_to_be_told_nothing_is_written(
    ledger: Ledger, database: Database, state: str, end: End
) -> None:
    ledger.submit([new_job("a")])
    end(ledger, database)
    assert events(database) == []


@pytest.mark.parametrize(("state", "end"), ENDS.values(), ids=ENDS)
def test_an_end_that_could_not_be_told_is_none(
    ledger: Ledger, database: Database, state: str, end: End
) -> None:
    """The event is written in the transaction of the end: if that fails, the job has not ended."""
    ledger.submit([new_job("a", webhook_url=URL)])

    def break_off(connection: Connection, cursor: object, statement: str, *rest: object) -> None:
        if "INSERT INTO webhook_events" in statement:
            raise InterruptedError

    event.listen(database.engine, "before_cursor_execute", break_off)
    with pytest.raises(InterruptedError):
        end(ledger, database)
    event.remove(database.engine, "before_cursor_execute", break_off)
    with database.reading() as connection:
        [(left, finished_at)] = connection.execute(select(JOBS.c.state, JOBS.c.finished_at))
    assert (left in ("queued", "running"), finished_at) == (True, None)
    assert count(database, RESULTS) == count(database, WEBHOOK_EVENTS) == 0


def test_a_repeated_completion_is_told_once(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("a", webhook_url=URL)])
    fence = running(ledger)
    for _ in range(2):
        assert ledger.complete("a", fence, result_of(1)) is WriteOutcome.APPLIED
    assert len(events(database)) == 1


def test_a_refused_job_is_told_too(ledger: Ledger, database: Database) -> None:
    for _ in range(2):
        ledger.refuse(new_job("a", webhook_url=URL), ERROR)
    assert events(database) == [("a:failed", "a", "failed", URL)]


def test_another_attempt_is_no_end(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("a", webhook_url=URL)])
    ledger.retry("a", running(ledger), ERROR, after_s=0)
    ledger.release("a", running(ledger))
    running(ledger)
    ledger.reap(["w"])
    assert events(database) == []
