"""The outbox as senders use it: who gets what when, and what became of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import DueEvent, Outbox, WebhookEvent, _heads
from brushwork_schemas.errors import EventNotFound
from brushwork_schemas.states import JobState
from sqlalchemy import select, update

from tests.jobs import new_job

HOOK = "https://receiver.example/hook"
OTHER = "https://other.example/hook"


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database, lease_s=600)


def ended(ledger: Ledger, *job_ids: str, url: str = HOOK) -> None:
    ledger.submit([new_job(job_id, webhook_url=url) for job_id in job_ids])
    for job_id in job_ids:
        ledger.cancel(job_id)


def taken(outbox: Outbox) -> DueEvent:
    [event] = outbox.take(1)
    return event


def seen(outbox: Outbox, job_id: str = "a") -> WebhookEvent:
    [event] = [event for event in outbox.list() if event.job_id == job_id]
    return event


def hasten(database: Database) -> None:
    """Let whatever is open be due."""
    with database.writing() as connection:
        connection.execute(
            update(WEBHOOK_EVENTS).where(WEBHOOK_EVENTS.c.next_try_at.is_not(None)).values(next_try_at=1)
        )


def test_what_ended_is_due_at_once_and_taken_once(ledger: Ledger, outbox: Outbox) -> None:
    assert outbox.take(9) == []
    ended(ledger, "a")
    event = taken(outbox)
    assert (event.id, event.job_id, event.state) == ("a:canceled", "a", JobState.CANCELED)
    assert (event.url, event.receiver, event.attempts) == (HOOK, "https://receiver.example", 1)
    assert outbox.take(9) == []


def test_one_of_each_receiver_the_longest_due_first(
    ledger: Ledger, outbox: Outbox, database: Database
) -> None:
    ended(ledger, "a", "b", url=OTHER)
    ended(ledger, "c", "d")
    ended(ledger, "e", url="https://third.example/")
    for moment, job_id in enumerate("dbace"):
        with database.writing() as connection:
            row = update(WEBHOOK_EVENTS).where(WEBHOOK_EVENTS.c.job_id == job_id)
            connection.execute(row.values(next_try_at=moment))
    assert sorted(event.job_id for event in outbox.take(2)) == ["b", "d"]
    busy = ["https://other.example", "https://receiver.example"]
    assert [event.job_id for event in outbox.take(9, busy=busy)] == ["e"]
    assert sorted(event.job_id for event in outbox.take(9)) == ["a", "c"]


def test_paths_of_one_host_are_one_receiver(ledger: Ledger, outbox: Outbox) -> None:
    for job_id in "abc":
        ended(ledger, job_id, url=f"https://receiver.example/hook?job={job_id}")
    assert len(outbox.take(9)) == 1


def test_senders_at_once_share_out_what_is_due(ledger: Ledger, outbox: Outbox) -> None:
    for number in range(40):
        ended(ledger, f"job-{number}", url=f"https://host-{number}.example/")

    def take_all() -> list[str]:
        events = []
        while more := outbox.take(5):
            events += [event.id for event in more]
        return events

    with ThreadPoolExecutor(4) as threads:
        shares = [share.result() for share in [threads.submit(take_all) for _ in range(4)]]
    # On PostgreSQL a sender passes over what another is about to take, and may find nothing once.
    everything = sorted([event for share in shares for event in share] + take_all())
    assert everything == sorted(f"job-{number}:canceled" for number in range(40))


def test_what_was_delivered_is_settled(ledger: Ledger, outbox: Outbox, database: Database) -> None:
    ended(ledger, "a")
    event = taken(outbox)
    assert outbox.delivered(event, 204)
    told = seen(outbox)
    assert (told.delivered_at is not None, told.dead, told.last_status) == (True, False, 204)
    hasten(database)
    assert (outbox.take(9), outbox.delivered(event, 204)) == ([], False)


def test_what_failed_waits_for_its_time(ledger: Ledger, outbox: Outbox, database: Database) -> None:
    ended(ledger, "a")
    assert outbox.retry(taken(outbox), 300, error="x" * 900, status=503)
    waits = seen(outbox)
    assert waits.next_try_at is not None
    assert 0 < (waits.next_try_at - waits.created_at).total_seconds() - 300 < 60
    assert (waits.last_status, waits.last_error, waits.attempts) == (503, "x" * 500, 1)
    assert outbox.take(9) == []
    hasten(database)
    assert taken(outbox).attempts == 2


def test_a_sender_that_says_nothing_loses_its_event(ledger: Ledger, database: Database) -> None:
    ended(ledger, "a")
    outbox = Outbox(database, lease_s=-1)
    first, second = taken(outbox), taken(outbox)
    assert (first.attempts, second.attempts) == (1, 2)
    assert not outbox.retry(first, 0, error="late")
    assert not outbox.mark_dead(first, error="late")
    assert not outbox.give_back(first)
    assert outbox.delivered(second, 200)
    assert seen(outbox).last_error is None


def test_what_is_given_back_is_no_try(ledger: Ledger, outbox: Outbox) -> None:
    ended(ledger, "a")
    assert outbox.give_back(taken(outbox))
    assert taken(outbox).attempts == 1


def test_the_dead_are_listed_and_told_again_on_demand(ledger: Ledger, outbox: Outbox) -> None:
    ended(ledger, "a", "b", "c")
    first, second = taken(outbox), taken(outbox)
    outbox.mark_dead(first, error="The receiver answered 500.", status=500)
    outbox.delivered(second, 200)
    assert [event.id for event in outbox.list(dead=True)] == [first.id]
    outbox.delivered(taken(outbox), 200)
    assert outbox.replay_dead() == 1
    again = taken(outbox)
    assert (again.id, again.attempts) == (first.id, 1)
    assert outbox.list(dead=True) == []


def test_a_delivered_event_can_be_told_again(ledger: Ledger, outbox: Outbox) -> None:
    ended(ledger, "a")
    outbox.delivered(taken(outbox), 200)
    outbox.replay("a:canceled")
    assert seen(outbox).delivered_at is None
    assert taken(outbox).id == "a:canceled"
    with pytest.raises(EventNotFound, match="webhooks list"):
        outbox.replay("b:canceled")


def test_a_closed_address_gets_nothing_more(ledger: Ledger, outbox: Outbox) -> None:
    ended(ledger, "a", "b", "c")
    ended(ledger, "d", url=f"{HOOK}/other")
    event = taken(outbox)
    outbox.delivered(event, 200)
    gone = taken(outbox)
    assert outbox.close_address(gone, error="The receiver answered 410.", status=410) == 2
    assert {dead.url for dead in outbox.list(dead=True)} == {HOOK}
    assert len(outbox.list(dead=True)) == 2
    assert taken(outbox).job_id == "d"


def test_events_go_with_their_jobs(ledger: Ledger, outbox: Outbox, database: Database) -> None:
    ended(ledger, "a")
    event = taken(outbox)
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")
    assert not outbox.delivered(event, 200)
    assert outbox.list() == []


def test_the_clock_is_the_databases(ledger: Ledger, outbox: Outbox, database: Database) -> None:
    ended(ledger, "a")
    event = taken(outbox)
    with database.reading() as connection:
        clock = connection.execute(select(now_ms())).scalar_one()
    assert abs(event.taken_at.timestamp() * 1000 - clock) < 60_000


def test_what_waits_for_one_receiver_costs_the_others_nothing(sqlite_url: str) -> None:
    """The search is by the index of open events, receiver by receiver; PostgreSQL plans by size."""
    database = Database(sqlite_url)
    with database.reading() as connection:
        text = str(_heads(5, ["x"]).compile(connection, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    database.close()
    assert [line for line in plan if line.startswith("SCAN webhook_events") and "INDEX" not in line] == []
    assert sum("ix_webhook_events_open (receiver" in line for line in plan) >= 2, plan


def test_tenants_take_turns_whatever_each_of_them_has_due(
    ledger: Ledger, outbox: Outbox, database: Database
) -> None:
    for number in range(6):
        ledger.submit([new_job(f"a{number}", tenant="a", webhook_url=f"https://{number}.example/")])
        ledger.cancel(f"a{number}")
    for name in ("b0", "b1", "c0"):
        ledger.submit([new_job(name, tenant=name[0], webhook_url=f"https://{name}.example/")])
        ledger.cancel(name)
    with database.writing() as connection:
        for moment, name in enumerate(("a0", "a1", "a2", "a3", "a4", "a5", "b0", "b1", "c0")):
            row = update(WEBHOOK_EVENTS).where(WEBHOOK_EVENTS.c.job_id == name)
            connection.execute(row.values(next_try_at=moment))
    due = [event.id.partition(":")[0] for event in outbox.due(9)]
    assert due == ["a0", "b0", "c0", "a1", "b1", "a2", "a3", "a4", "a5"]


def test_each_tenant_has_its_own_order_at_a_receiver(ledger: Ledger, outbox: Outbox) -> None:
    for name in ("a0", "a1", "b0"):
        ledger.submit([new_job(name, tenant=name[0], webhook_url=HOOK)])
        ledger.cancel(name)
    events = outbox.take(9)
    assert sorted((event.job_id, event.tenant, event.receiver) for event in events) == [
        ("a0", "a", "https://receiver.example a"),
        ("b0", "b", "https://receiver.example b"),
    ]
