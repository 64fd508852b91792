"""A name that leads elsewhere when it is looked up again, through the real sender of webhooks."""

import socket

import pytest
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_core.ledger.outbox import Outbox

from tests.hostile_addresses import Resolver, connections
from tests.receivers import Receiver, Sending, status
from tests.telling import bounds, ended, the_event, wait_for

pytestmark = pytest.mark.one_database("the database has no part in it")


def rebinding(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Resolver:
    resolver = Resolver({"rebinding.example": [(answer,) for answer in answers]})
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def test_the_sender_opens_the_address_that_it_has_checked(
    receiver: Receiver,
    database: Database,
    ledger: Ledger,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name leads to an allowed address when it is checked, and elsewhere at each later lookup."""
    resolver = rebinding(monkeypatch, "127.0.0.1", "169.254.169.254")
    receiver.replies += [status(204, Connection="close")]
    url = receiver.url.replace("127.0.0.1", "rebinding.example")
    ended(ledger, url, "a")
    with connections() as opened, Sending(bounds(), database):
        wait_for(outbox, "a")
        assert (opened, resolver.lookups) == (["127.0.0.1"], {"rebinding.example": 1})
        ended(ledger, url, "b")
        wait_for(outbox, "b", what="dead")
    assert (opened, receiver.ids) == (["127.0.0.1"], ["a:canceled"])
    assert "is not allowed" in str(the_event(outbox, "b").last_error)


@pytest.mark.parametrize("first", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"])
def test_the_sender_does_not_ask_again_until_the_answer_is_allowed(
    first: str,
    receiver: Receiver,
    database: Database,
    ledger: Ledger,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = rebinding(monkeypatch, first, "127.0.0.1")
    ended(ledger, receiver.url.replace("127.0.0.1", "rebinding.example"), "a")
    with connections() as opened, Sending(bounds(), database):
        wait_for(outbox, "a", what="dead")
    assert (opened, receiver.heard, resolver.lookups) == ([], [], {"rebinding.example": 1})
