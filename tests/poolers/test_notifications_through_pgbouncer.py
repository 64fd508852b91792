"""Notifications of PostgreSQL: who does not receive them learns it at the start, and why."""

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest
from brushwork_core.database import listening
from brushwork_core.database.database import Database
from brushwork_core.database.listening import Listener, notify, open_listener
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import text

from tests.servers import PostgresServer, free_port

CHANNEL = "brushwork_test"
WAIT_S = 10.0


@pytest.fixture(autouse=True)
def nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason is logged once in a process."""
    monkeypatch.setattr(listening, "_LOGGED", set())


@pytest.fixture
def direct(postgres_url: str) -> Iterator[Database]:
    with closing(Database(postgres_url)) as database:
        yield database


def settings(url: str, listen_url: str | None = None) -> Settings:
    return Settings(database_url=url, database_listen_url=listen_url)  # type: ignore[arg-type]


def opened(database: Database, found: Settings) -> Listener:
    listener = open_listener(found, database, CHANNEL, "worker")
    assert listener is not None
    return listener


def test_a_notification_arrives_when_its_transaction_is_committed(
    direct: Database, postgres_url: str
) -> None:
    with closing(opened(direct, settings(postgres_url))) as listener:
        with direct.writing() as connection:
            notify(connection, CHANNEL, "one")
            assert listener.payloads(0.05) == []
        assert listener.payloads(WAIT_S) == ["one"]
        assert listener.payloads(0) == []


def test_through_a_pooler_others_send_and_the_direct_address_listens(
    pooled_url: str, postgres_url: str
) -> None:
    with (
        closing(Database(pooled_url)) as pooled,
        closing(opened(pooled, settings(pooled_url, postgres_url))) as listener,
    ):
        with pooled.writing() as connection:
            notify(connection, CHANNEL, "sent through the pooler")
        assert listener.payloads(WAIT_S) == ["sent through the pooler"]


def test_a_pooler_is_named_as_the_reason(pooled_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Database(pooled_url)) as pooled:
        assert open_listener(settings(pooled_url), pooled, CHANNEL) is None
    assert "A pooler is between this process and PostgreSQL" in caplog.text
    assert "BRUSHWORK_DATABASE_LISTEN_URL" in caplog.text


def test_a_reason_is_logged_once_until_notifications_arrive(
    direct: Database, pooled_url: str, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert open_listener(settings(pooled_url), direct, CHANNEL) is None
    assert len(caplog.records) == 1
    opened(direct, settings(postgres_url)).close()
    assert open_listener(settings(pooled_url), direct, CHANNEL) is None
    assert len(caplog.records) == 2


def test_another_database_is_found_by_the_test(
    direct: Database, postgres_server: PostgresServer, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = settings(postgres_url, postgres_server.url("postgres"))
    assert open_listener(elsewhere, direct, CHANNEL, test_s=0.1) is None
    assert "a notification did not arrive" in caplog.text


@pytest.mark.parametrize("port", [1, None])
def test_an_address_where_nothing_listens_is_logged_with_its_reason(
    direct: Database, postgres_url: str, caplog: pytest.LogCaptureFixture, port: int | None
) -> None:
    address = f"postgresql+psycopg://u:secretword@127.0.0.1:{port or free_port()}/x"
    assert open_listener(settings(postgres_url, address), direct, CHANNEL) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "cannot listen" in caplog.text
    assert "secretword" not in caplog.text


def test_a_lost_connection_is_an_error(
    direct: Database, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with closing(opened(direct, settings(postgres_url))) as listener:
        postgres_server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        )
        with pytest.raises(ServiceUnreachable):
            listener.payloads(WAIT_S)


def test_sqlite_has_no_notifications(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Database(sqlite_url)) as database:
        assert open_listener(settings(sqlite_url), database, CHANNEL) is None
    assert caplog.text == ""


def test_the_listening_connection_is_named(direct: Database, postgres_url: str) -> None:
    asked = text("SELECT application_name FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    with closing(Listener(postgres_url, CHANNEL, "worker w")), direct.reading() as connection:
        assert connection.execute(asked).scalars().all() == ["brushwork worker w"]
