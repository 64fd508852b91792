"""Webhooks from the end of a job to a real receiver, and through all that receivers do wrong."""

import pytest
from brushwork import Client
from brushwork.webhooks.schedule import MULTIPLES
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from standardwebhooks import Webhook

from tests.jobs import claimed, new_job, result_of
from tests.receivers import (
    BOUND_S,
    SECRET,
    Receiver,
    Reply,
    Sending,
    break_off,
    flood,
    hang_up,
    hold,
    status,
    trickle,
)
from tests.servers import free_port, wait_until
from tests.telling import HOUR_S, TRACEPARENT, bounds, ended, the_event, wait_for


def test_a_job_that_ended_while_its_receiver_was_down_is_told_later(
    redis_url: str, database: Database, database_url: str, ledger: Ledger, outbox: Outbox
) -> None:
    port = free_port()
    settings = bounds(redis_url=redis_url, database_url=database_url)
    with Client(settings=settings) as client:
        job = client.submit(
            "text-to-image", prompt="a red circle", webhook_url=f"http://127.0.0.1:{port}/hook?x=1"
        )
    ledger.complete(job.id, claimed(ledger, job.id).fence, result_of(1))
    with Sending(bounds(webhook_retry_s=0.01), database):
        wait_for(outbox, job.id, what="tried")
        with Receiver(port) as receiver:
            wait_for(outbox, job.id)
    [heard] = receiver.heard
    assert heard.path == "/hook?x=1"
    assert (heard.webhook_id, heard.headers["content-type"]) == (f"{job.id}:succeeded", "application/json")
    told = Webhook(SECRET).verify(heard.body, dict(heard.headers))
    assert (told["type"], told["data"]["id"], told["data"]["state"]) == ("job.succeeded", job.id, "succeeded")
    assert b"a red circle" not in heard.body


def test_errors_of_the_receiver_are_tried_again_with_the_same_id_and_body(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [status(500), hang_up, status(404), status(429), status(503)]
    ended(ledger, receiver.url, "a")
    with Sending(bounds(), database):
        wait_for(outbox, "a")
    assert receiver.ids == ["a:canceled"] * 6
    assert len({heard.body for heard in receiver.heard}) == 1
    for heard in receiver.heard:
        assert Webhook(SECRET).verify(heard.body, dict(heard.headers))["data"]["id"] == "a"
    event = the_event(outbox)
    assert (event.attempts, event.last_status, event.last_error) == (6, 204, None)


def test_after_the_last_try_an_event_is_dead_until_it_is_told_again(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [status(500)] * (len(MULTIPLES) + 1)
    ended(ledger, receiver.url, "a")
    with Sending(bounds(), database):
        wait_for(outbox, "a", what="dead")
        assert len(receiver.heard) == len(MULTIPLES) + 1
        assert the_event(outbox).last_error == "The receiver answered 500."
        assert outbox.replay_dead() == 1
        wait_for(outbox, "a")
    assert set(receiver.ids) == {"a:canceled"}


def test_a_start_is_told_and_then_the_end(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    events = ("started", "succeeded")
    ledger.submit([new_job("a", webhook_url=receiver.url, webhook_events=events)])
    fence = claimed(ledger, "a").fence
    ledger.complete("a", fence, result_of(1))
    with Sending(bounds(), database):
        wait_until(lambda: len(receiver.heard) == 2, bound_s=BOUND_S)
    assert receiver.ids == ["a:started", "a:succeeded"]
    start, end = (Webhook(SECRET).verify(heard.body, dict(heard.headers)) for heard in receiver.heard)
    assert (start["type"], start["data"]["state"], start["data"]["finished_at"]) == (
        "job.started",
        "running",
        None,
    )
    assert (end["type"], end["data"]["state"]) == ("job.succeeded", "succeeded")


def test_each_try_is_a_hop_of_its_own_in_the_jobs_trace(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [status(500)]
    ledger.submit([new_job("a", webhook_url=receiver.url, traceparent=TRACEPARENT)])
    ledger.cancel("a")
    with Sending(bounds(), database):
        wait_for(outbox, "a")
    hops = {heard.headers["traceparent"] for heard in receiver.heard}
    assert len(hops) == 2
    assert TRACEPARENT not in hops
    assert {hop.split("-")[1] for hop in hops} == {TRACEPARENT.split("-")[1]}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox, code: int
) -> None:
    with Receiver() as elsewhere:
        receiver.replies += [
            status(code, Location="http://169.254.169.254/latest/meta-data/"),
            status(code, Location=f"{elsewhere.url}/hook"),
            status(code, Location="::no address::"),
        ]
        ended(ledger, receiver.url, "a", "b", "c")
        with Sending(bounds(webhook_retry_s=HOUR_S), database):
            wait_for(outbox, "a", "b", "c", what="tried")
    assert elsewhere.heard == []
    assert len(receiver.heard) == 3
    assert all(event.next_try_at and event.delivered_at is None for event in outbox.list())
    assert {event.last_status for event in outbox.list()} <= {code, None}
    assert any("redirects are not followed" in (event.last_error or "") for event in outbox.list())


def test_who_is_gone_is_left_alone(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [status(410)]
    ended(ledger, f"{receiver.url}/old", "a", "b", "c")
    with Sending(bounds(), database):
        wait_for(outbox, "a", "b", "c", what="dead")
        ended(ledger, f"{receiver.url}/new", "d")
        wait_for(outbox, "d")
    assert [heard.path for heard in receiver.heard] == ["/old", "/new"]
    assert {event.last_status for event in outbox.list(dead=True)} == {410}


def test_a_receiver_that_asks_for_a_pause_gets_it(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [status(503, Retry_After="7200")]
    ended(ledger, receiver.url, "a")
    with Sending(bounds(), database):
        wait_for(outbox, "a", what="tried")
    event = the_event(outbox)
    assert event.next_try_at is not None
    assert (event.next_try_at - event.created_at).total_seconds() >= 7200


@pytest.mark.parametrize("reply", [break_off, flood])
def test_the_status_counts_whatever_becomes_of_the_rest_of_the_answer(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox, reply: Reply
) -> None:
    receiver.replies += [reply]
    ended(ledger, receiver.url, "a", "b")
    with Sending(bounds(webhook_retry_s=HOUR_S), database):
        wait_for(outbox, "a", "b")
    assert sorted(receiver.ids) == ["a:canceled", "b:canceled"]


@pytest.mark.parametrize("reply", [hold, trickle])
def test_a_receiver_has_a_total_time(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox, reply: Reply
) -> None:
    receiver.replies += [reply]
    ended(ledger, receiver.url, "a")
    with Sending(bounds(webhook_timeout_s=0.2, webhook_retry_s=HOUR_S), database):
        wait_for(outbox, "a", what="tried")
    assert the_event(outbox).last_error == "The receiver did not answer within 0.2 s."


def test_a_slow_receiver_holds_up_nobody_else(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    receiver.replies += [hold]
    slow = [f"slow-{number}" for number in range(20)]
    quick = [f"quick-{number}" for number in range(20)]
    ended(ledger, receiver.url, *slow)
    with Receiver() as other, Sending(bounds(), database, num_receivers=2):
        wait_until(lambda: receiver.heard, bound_s=BOUND_S)
        ended(ledger, other.url, *quick)
        wait_for(outbox, *quick)
        # All this time, the slow one had a single request.
        assert len(receiver.heard) == 1
        receiver.released.set()
        wait_for(outbox, *slow)
    assert len(other.ids) == len(set(other.ids)) == 20
    assert len(receiver.ids) == len(set(receiver.ids)) == 20


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
def test_a_private_address_is_refused_by_default(
    receiver: Receiver, database: Database, ledger: Ledger, outbox: Outbox, host: str
) -> None:
    ended(ledger, receiver.url.replace("127.0.0.1", host), "a")
    with Sending(bounds(webhook_private=False), database):
        wait_for(outbox, "a", what="dead")
    assert receiver.heard == []
    assert "BRUSHWORK_WEBHOOK_PRIVATE" in (the_event(outbox).last_error or "")


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://100.100.100.200/", "http://168.63.129.16/",
            "http://[fd00:ec2::254]/", "http://[fe80::1]/", "http://0.0.0.0/", "http://127.0.0.1:22/"],
)  # fmt: skip
def test_clouds_and_shells_are_refused_even_where_inner_networks_are_allowed(
    database: Database, ledger: Ledger, outbox: Outbox, url: str
) -> None:
    ended(ledger, url, "a")
    with Sending(bounds(), database):
        wait_for(outbox, "a", what="dead")
    assert the_event(outbox).attempts == 1
