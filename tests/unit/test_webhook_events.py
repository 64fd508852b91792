"""Which events a job asks for: its start, some of its ends, or as always every end."""

import json
from collections.abc import Callable

import pytest
from brushwork.webhooks.payload import payload_of_start
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.queries.job_index import JobIndex
from brushwork_schemas.states import JobState
from sqlalchemy import event, select

from tests.jobs import ERROR, begun, claimed, column, new_job, overdue, result_of

URL = "https://receiver.example/hook"
ENDS: dict[str, Callable[[Ledger, Database], object]] = {
    "succeeded": lambda ledger, database: ledger.complete("a", claimed(ledger, "a").fence, result_of(1)),
    "failed": lambda ledger, database: ledger.fail("a", claimed(ledger, "a").fence, ERROR),
    "canceled": lambda ledger, database: ledger.cancel("a"),
    "expired": lambda ledger, database: (overdue(database, "a"), ledger.expire_queued()),
}


def told(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(select(WEBHOOK_EVENTS.c.id).order_by(WEBHOOK_EVENTS.c.id)).scalars())


def asked(ledger: Ledger, *names: str) -> None:
    ledger.submit([new_job("a", webhook_url=URL, webhook_events=names, deadline_s=3600)])


@pytest.mark.parametrize(("state", "end"), ENDS.items(), ids=ENDS)
def test_an_end_is_told_to_who_asked_for_it(
    ledger: Ledger, database: Database, state: str, end: Callable[[Ledger, Database], object]
) -> None:
    asked(ledger, state)
    end(ledger, database)
    assert told(database) == [f"a:{state}"]


@pytest.mark.parametrize(("state", "end"), ENDS.items(), ids=ENDS)
def test_an_end_that_nobody_asked_for_is_not_told(
    ledger: Ledger, database: Database, state: str, end: Callable[[Ledger, Database], object]
) -> None:
    asked(ledger, *(other for other in ENDS if other != state))
    end(ledger, database)
    assert told(database) == []


def test_a_start_is_told_only_where_it_is_asked_for(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("b", webhook_url=URL), new_job("c", webhook_events=("started",))])
    ledger.submit([new_job("d", webhook_url=URL, webhook_events=("failed",))])
    for job_id in "bcd":
        claimed(ledger, job_id)
    assert told(database) == []


def test_only_the_first_start_is_told(ledger: Ledger, database: Database) -> None:
    asked(ledger, "started", "succeeded")
    ledger.release("a", claimed(ledger, "a").fence)
    ledger.retry("a", claimed(ledger, "a").fence, ERROR, after_s=0)
    fence = begun(ledger, "a")
    assert told(database) == ["a:started"]
    ledger.complete("a", fence, result_of(1))
    assert told(database) == ["a:started", "a:succeeded"]


def test_a_claim_in_vain_starts_nothing(ledger: Ledger, database: Database) -> None:
    asked(ledger, "started")
    overdue(database, "a")
    assert ledger.claim("a", "w") is None
    assert told(database) == []


def test_the_start_is_told_before_the_end(ledger: Ledger, database: Database) -> None:
    asked(ledger, "started", "failed")
    ledger.fail("a", claimed(ledger, "a").fence, ERROR)
    outbox = Outbox(database)
    [first] = outbox.take(9)
    assert (first.id, first.state, first.job_id) == ("a:started", JobState.RUNNING, "a")
    outbox.delivered(first, 204)
    assert [event.id for event in outbox.take(9)] == ["a:failed"]


def test_what_is_told_of_a_start_stays_the_same(ledger: Ledger, database: Database, index: JobIndex) -> None:
    asked(ledger, "started")
    claimed(ledger, "a")
    [event] = Outbox(database).take(1)
    early = payload_of_start(index.get("a"), event.created_at)
    ledger.reap(["w"])
    ledger.complete("a", begun(ledger, "a"), result_of(1))
    assert payload_of_start(index.get("a"), event.created_at) == early
    body = json.loads(early.model_dump_json())
    assert body["type"] == "job.started"
    assert body["timestamp"] == body["data"]["started_at"]
    assert (body["data"]["state"], body["data"]["attempt"]) == ("running", 1)
    assert (body["data"]["finished_at"], body["data"]["timings"], body["data"]["error"]) == (None, None, None)


def test_a_claim_of_a_job_that_did_not_ask_costs_nothing_more(ledger: Ledger, database: Database) -> None:
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        statements.append(statement.split()[0])

    ledger.submit([new_job("a", webhook_url=URL), new_job("b", webhook_url=URL, webhook_events=("started",))])
    event.listen(database.engine, "before_cursor_execute", note)
    claimed(ledger, "a")
    assert [word for word in statements if word not in ("BEGIN", "PRAGMA")] == ["WITH"]
    claimed(ledger, "b")
    assert [word for word in statements if word not in ("BEGIN", "PRAGMA")] == ["WITH", "WITH", "INSERT"]


def test_a_name_that_is_said_again_and_again_is_stored_once(ledger: Ledger, database: Database) -> None:
    asked(ledger, *["started", "failed"] * 50)
    assert column(database, "a", "webhook_events") == "started,failed"
