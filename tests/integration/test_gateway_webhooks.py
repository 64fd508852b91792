"""F19 by HTTP: jobs that a gateway took, and receivers that are slow, broken, elsewhere, gone or rude."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox
from brushwork_core.settings.settings import Settings
from standardwebhooks import Webhook

from tests.bad_receivers import BadReceivers
from tests.jobs import claimed, result_of
from tests.live_gateways import END_S, GatewayProcess, Listening
from tests.receivers import BOUND_S, SECRET, Receiver, Sending, sender_process
from tests.servers import wait_until
from tests.telling import TRACE, TRACEPARENT, wait_told

pytestmark = pytest.mark.one_database("the outbox and its sender are tested on both")
SEEDS = (1, 2, 3)
MOMENTS = ("started", "succeeded")


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


def test_bad_receivers_hold_up_neither_jobs_nor_those_who_ask_for_them(
    http: httpx.Client, outbox: Outbox, ledger: Ledger
) -> None:
    with BadReceivers(len(SEEDS), MOMENTS) as bad:
        late = submitted(http, f"{bad.slow.url}/hook")
        perform(ledger, late)
        wait_until(lambda: bad.slow.heard, bound_s=BOUND_S, what="the first word to the slow one")
        tried, dropped, lost, closed = (
            submitted(http, f"{receiver.url}/hook")
            for receiver in (bad.failing, bad.dropping, bad.moved, bad.gone)
        )
        others = [*tried, *dropped, *lost, *closed]
        assert states(http, others) == {"queued"}
        perform(ledger, others)
        assert states(http, [*late, *others]) == {"succeeded"}
        wait_told(outbox, others, len(MOMENTS))
        bad.let_go(outbox, late)
        bad.have_heard(outbox, late=late, tried=tried, dropped=dropped, lost=lost, closed=closed)


def test_the_callers_trace_and_choice_of_events_reach_the_receiver(
    settings: Settings, database: Database, ledger: Ledger, outbox: Outbox
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
        wait_told(outbox, [one], len(MOMENTS))
    # Of the other nothing is told, for it did not fail.
    assert receiver.ids == [f"{one}:started", f"{one}:succeeded"]
    for heard in receiver.heard:
        assert Webhook(SECRET).verify(heard.body, dict(heard.headers))["data"]["id"] == one
        assert heard.headers["traceparent"].split("-")[1] == TRACE
    assert len({TRACEPARENT, *(heard.headers["traceparent"] for heard in receiver.heard)}) == 3
