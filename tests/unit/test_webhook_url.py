"""Where a job's end may be told: what `submit` takes, what it refuses, and whose an address is."""

from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.tables import WEBHOOK_EVENTS
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
        ("", "an address is of ASCII"),
        ("receiver.example/hook", "neither https:// nor http://"),
        ("ftp://receiver.example/", "neither https:// nor http://"),
        ("file:///etc/passwd", "neither https:// nor http://"),
        ("https://", "names no host"),
        ("https:///hook", "names no host"),
        ("https://?a=b", "names no host"),
        ("https://user@receiver.example/", "no user name and password"),
        ("https://user:password@receiver.example/", "no user name and password"),
        ("https://a\\@receiver.example/", "no user name and password"),
        ("https://a\\b/", "names no host"),
        ("https://receiver.example:port/", "host or port can't be read"),
        ("https://receiver.example:99999/", "host or port can't be read"),
        ("https://receiver.example:0/", "port 0"),
        ("https://[::1/", "host or port can't be read"),
        ("https://bücher.example/", "an address is of ASCII"),
        ("https://receiver.example/a b", "without spaces"),
        ("https://receiver.example/\r\nX-Header: x", "without spaces"),
        ("https://receiver.example/" + "a" * 2000, "more than 2000"),
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
