"""Where a job's end may be told: what `submit` takes, what it refuses, and whose an address is."""

from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.outbox_tables import WEBHOOK_EVENTS
from brushwork_core.ledger import Ledger
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.options import taken_options
from sqlalchemy import select

from tests.jobs import new_job


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example/hook", "http://receiver.example", "HTTPS://Receiver.Example:8443/a?job=1#b",
        "http://127.0.0.1:8000/", "http://[::1]:8000/hook", "https://xn--bcher-kva.example/",
    ],
)  # fmt: skip
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert taken_options({"webhook_url": url}).webhook_url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "printable ASCII"),
        ("receiver.example/hook", "must start with https://"),
        ("ftp://receiver.example/", "must start with https://"),
        ("file:///etc/passwd", "must start with https://"),
        ("https://", "has no valid host"),
        ("https:///hook", "has no valid host"),
        ("https://?a=b", "has no valid host"),
        ("https://user@receiver.example/", "must not contain a user name"),
        ("https://user:password@receiver.example/", "must not contain a user name"),
        ("https://a\\@receiver.example/", "must not contain a user name"),
        ("https://a\\b/", "has no valid host"),
        ("https://receiver.example:port/", "invalid host or port"),
        ("https://receiver.example:99999/", "invalid host or port"),
        ("https://receiver.example:0/", "port 0"),
        ("https://[::1/", "invalid host or port"),
        ("https://bücher.example/", "printable ASCII"),
        ("https://receiver.example/a b", "without spaces"),
        ("https://receiver.example/\r\nX-Header: x", "without spaces"),
        ("https://receiver.example/" + "a" * 2000, "at most 2000"),
        (5, "must be a valid string"),
    ],
)
def test_what_is_none_is_refused_with_its_reason(url: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as raised:
        taken_options({"webhook_url": url})
    assert raised.value.field == "webhook_url"
    assert str(raised.value).startswith("webhook_url: ")


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://receiver.example/hook/1", "https://receiver.example"),
        ("https://Receiver.example:8443/hook", "https://receiver.example:8443"),
        ("https://receiver.example", "https://receiver.example"),
        ("https://receiver.example?job=/1", "https://receiver.example"),
        ("https://receiver.example#part", "https://receiver.example"),
        ("http://a/hook", "http://a"),
        ("http://a", "http://a"),
        ("https://a/", "https://a"),
        ("http://[::1]:80/x", "http://[::1]:80"),
    ],
)
def test_the_database_knows_whose_an_address_is(
    ledger: Ledger, database: Database, url: str, receiver: str
) -> None:
    ledger.submit([new_job("a", webhook_url=url)])
    ledger.cancel("a")
    with database.reading() as connection:
        assert connection.execute(select(WEBHOOK_EVENTS.c.receiver)).scalar_one() == receiver
