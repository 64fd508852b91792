"""F19 by HTTP: jobs that a gateway took, and receivers that are slow, broken, elsewhere, gone or rude."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from brushwork.webhooks.schedule import MULTIPLES
from brushwork_schemas.database import Database
from brushwork_schemas.ledger import Ledger
from brushwork_schemas.outbox import Outbox, WebhookEvent
from brushwork_schemas.settings import Settings
from standardwebhooks import Webhook

from tests.jobs import claimed, result_of
from tests.live_gateways import END_S, GatewayProcess, Listening
from tests.receivers import (
    BOUND_S,
    SECRET,
    Receiver,
    Sending,
    break_off,
    hang_up,
    hold,
    sender_process,
    status,
)
from tests.servers import wait_until

SEEDS = (1, 2, 3)
MOMENTS = ("started", "succeeded")
NUM_EVENTS = len(SEEDS) * len(MOMENTS)
TRIES = 1 + len(MULTIPLES)
CLOUD = "http://169.254.169.254/latest/meta-data/"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def http(settings: Settings, tmp_path: Path) -> Iterator[httpx.Client]:
    """A gateway and a sender, each a process of its own, and a way in to the former."""
    with (
        sender_process(settings, tmp_path / "sender.log"),
        GatewayProcess(settings) as gateway,
        httpx.Client(base_url=gateway.address, timeout=END_S) as client,
    ):
        yield client


def submitted(http: httpx.Client, url: str) -> list[str]:
    """Jobs whose starts and ends are to be told there."""
    template = {"kind": "text-to-image", "prompt": "a red circle", "webhook_url": url}
    answer = http.post(
        "/v1/jobs:batch",
        json={"template": {**template, "webhook_events": MOMENTS}, "product": {"seed": SEEDS}},
    )
    assert answer.status_code == 201, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def states(http: httpx.Client, ids: Sequence[str]) -> set[str]:
    """What the gateway answers of them."""
    return {http.get(f"/v1/jobs/{job_id}").raise_for_status().json()["state"] for job_id in ids}


def perform(ledger: Ledger, ids: Sequence[str]) -> None:
    for job_id in ids:
        ledger.complete(job_id, claimed(ledger, job_id).fence, result_of(1))


def events_of(ids: Sequence[str]) -> set[str]:
    return {f"{job_id}:{moment}" for job_id in ids for moment in MOMENTS}


def told(outbox: Outbox, ids: Sequence[str]) -> list[WebhookEvent]:
    """What the outbox says of these jobs, delivered or not."""
    return [event for event in outbox.list(limit=1000) if event.job_id in ids]


def wait_told(outbox: Outbox, ids: Sequence[str]) -> None:
    """Until each moment of these jobs is told, or nobody will try again."""

    def is_settled() -> bool:
        settled = [event for event in told(outbox, ids) if event.delivered_at or event.dead]
        return len(settled) == len(events_of(ids))

    wait_until(is_settled, bound_s=BOUND_S, what="the telling", look_s=0.05)


def test_bad_receivers_hold_up_neither_jobs_nor_those_who_ask_for_them(
    http: httpx.Client, database: Database, ledger: Ledger
) -> None:
    outbox = Outbox(database)
    with (
        Receiver() as slow,
        Receiver() as failing,
        Receiver() as dropping,
        Receiver() as moved,
        Receiver() as inner,
        Receiver() as gone,
    ):
        slow.replies += [hold]
        failing.replies += [status(500), status(503), status(500)]
        dropping.replies += [break_off, hang_up, break_off, hang_up]
        moved.replies += [status(302, Location=CLOUD), status(307, Location=inner.url)] * (NUM_EVENTS * TRIES)
        gone.replies += [status(410)] * NUM_EVENTS
        late = submitted(http, f"{slow.url}/hook")
        perform(ledger, late)
        wait_until(lambda: slow.heard, bound_s=BOUND_S, what="the first word to the slow one")
        tried, dropped, lost, closed = (
            submitted(http, f"{receiver.url}/hook") for receiver in (failing, dropping, moved, gone)
        )
        others = [*tried, *dropped, *lost, *closed]
        assert states(http, others) == {"queued"}
        perform(ledger, others)
        assert states(http, [*late, *others]) == {"succeeded"}
        wait_told(outbox, others)
        # All this time the slow one had a single request, and none of its own is told or given up.
        assert len(slow.heard) == 1
        assert not [event for event in told(outbox, late) if event.delivered_at or event.dead]
        slow.released.set()
        wait_told(outbox, late)

        # Each as often as it had to be, always by the same id.
        assert Counter(slow.ids) == Counter(events_of(late))
        assert set(failing.ids) == events_of(tried)
        assert len(failing.ids) == NUM_EVENTS + 3
        # A status that came counts, whatever becomes of the rest; where none came, it is told again.
        assert set(dropping.ids) == events_of(dropped)
        assert len(dropping.ids) == NUM_EVENTS + 2
        assert all(event.delivered_at for event in told(outbox, [*late, *tried, *dropped]))
        assert inner.heard == []
        assert Counter(moved.ids) == dict.fromkeys(events_of(lost), TRIES)
        assert {event.last_status for event in told(outbox, lost)} <= {302, 307}
        # Whoever is gone hears of a moment at most once.
        assert max(Counter(gone.ids).values()) == 1
        assert {event.last_status for event in told(outbox, closed)} == {410}
        assert all(event.dead and not event.delivered_at for event in told(outbox, [*lost, *closed]))


def test_the_callers_trace_and_choice_of_events_reach_the_receiver(
    settings: Settings, database: Database, ledger: Ledger
) -> None:
    may_tell = settings.model_copy(update={"webhook_private": True})
    with Receiver() as receiver, Listening(settings) as gateway, Sending(may_tell, database):
        fields = {"kind": "text-to-image", "prompt": "a red circle", "webhook_url": receiver.url}
        one, other = (
            httpx.post(
                f"{gateway.address}/v1/jobs",
                json={**fields, "webhook_events": events},
                headers={"traceparent": TRACEPARENT},
            ).json()["id"]
            for events in (MOMENTS, ["failed"])
        )
        perform(ledger, [other, one])
        wait_told(Outbox(database), [one])
    # Of the other nothing is told, for it did not fail.
    assert receiver.ids == [f"{one}:started", f"{one}:succeeded"]
    for heard in receiver.heard:
        assert Webhook(SECRET).verify(heard.body, dict(heard.headers))["data"]["id"] == one
        assert heard.headers["traceparent"].split("-")[1] == TRACE
    assert len({TRACEPARENT, *(heard.headers["traceparent"] for heard in receiver.heard)}) == 3
