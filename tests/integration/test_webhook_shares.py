"""Tenants share the senders of webhooks: dead receivers, dead names and long queues of one delay no other."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox

from tests.jobs import new_job
from tests.receivers import Receiver, Sending, hold
from tests.servers import wait_until
from tests.telling import bounds

pytestmark = pytest.mark.one_database("the order of due events is tested on both by test_webhook_outbox.py")
# A delivery that is not delayed takes milliseconds, and one to a dead receiver this long.
DEAD_S = 10.0
SOON_S = DEAD_S / 2
PLACES = 6


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port at which connections are taken and nothing is answered."""
    with socket.create_server(("0.0.0.0", 0), backlog=512) as silent:  # noqa: S104 - 127.0.0.0/8
        yield silent.getsockname()[1]


def ended(ledger: Ledger, tenant: str, *urls: str) -> list[str]:
    """Jobs of a tenant that have ended, one for each address; their ids."""
    ids = [f"{tenant}-{number}" for number in range(len(urls))]
    ledger.submit(
        [new_job(name, tenant=tenant, webhook_url=url) for name, url in zip(ids, urls, strict=True)]
    )
    for name in ids:
        ledger.cancel(name)
    return ids


def heard_after_s(ledger: Ledger, receiver: Receiver, tenant: str) -> float:
    """Seconds from the end of a job of a tenant to its webhook."""
    began = time.monotonic()
    [job_id] = ended(ledger, tenant, receiver.url)
    wait_until(lambda: f"{job_id}:canceled" in receiver.ids, what="its webhook")
    return time.monotonic() - began


def test_dead_receivers_of_one_tenant_do_not_delay_another(
    database: Database, ledger: Ledger, dead_port: int
) -> None:
    dead = [f"http://127.0.0.{number}:{dead_port}/" for number in range(1, 61)]
    ended(ledger, "greedy", *dead)
    with Receiver() as receiver, Sending(bounds(webhook_timeout_s=DEAD_S), database, num_receivers=PLACES):
        wait_until(lambda: _num_taken(database) >= 4, what="the attempts of the greedy tenant")
        assert heard_after_s(ledger, receiver, "innocent") < SOON_S


def test_nor_do_names_that_nobody_resolves(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    released, resolve, num_asked = threading.Event(), socket.getaddrinfo, []

    def resolved(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith("dead.example"):
            num_asked.append(host)
            released.wait(2 * DEAD_S)
            raise socket.gaierror("no answer")
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    # More than asyncio has threads.
    places = 60
    ended(ledger, "greedy", *(f"http://{number}.dead.example/" for number in range(80)))
    settings = bounds(webhook_timeout_s=DEAD_S)
    try:
        with Receiver() as receiver, Sending(settings, database, num_receivers=places):
            wait_until(lambda: len(num_asked) >= 40, what="the lookups of the greedy tenant")
            assert heard_after_s(ledger, receiver, "innocent") < SOON_S
            released.set()
    finally:
        released.set()


def test_nor_does_a_long_queue_for_the_same_receiver(database: Database, ledger: Ledger) -> None:
    with Receiver() as receiver, Sending(bounds(webhook_timeout_s=DEAD_S), database, num_receivers=PLACES):
        receiver.replies.append(hold)
        ended(ledger, "greedy", *(f"{receiver.url}/{number}" for number in range(50)))
        wait_until(lambda: receiver.ids, what="the first webhook")
        assert heard_after_s(ledger, receiver, "innocent") < SOON_S
        receiver.released.set()


def test_an_address_that_is_gone_for_one_tenant_is_not_for_another(
    database: Database, ledger: Ledger, outbox: Outbox
) -> None:
    ended(ledger, "one", "https://same.example/hook", "https://same.example/hook")
    ended(ledger, "two", "https://same.example/hook")
    first = next(event for event in outbox.take(9) if event.tenant == "one")
    assert outbox.close_address(first, error="gone", status=410) == 2
    assert {event.job_id.partition("-")[0] for event in outbox.list(dead=True)} == {"one"}
    del database


def _num_taken(database: Database) -> int:
    return sum(event.attempts for event in Outbox(database).list(limit=100))
