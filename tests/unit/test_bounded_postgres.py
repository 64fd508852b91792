import time

import pytest
from brushwork_core.database.bounded_postgres import unbounded
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import Connection, text

from tests.jobs import new_job
from tests.servers import wait_until

BOUNDS = ("idle_in_transaction_session_timeout", "statement_timeout")


def test_an_answer_that_does_not_come_is_an_error_and_the_next_question_is_answered(
    postgres_url: str,
) -> None:
    database = Database(f"{postgres_url}&tcp_user_timeout=200")
    began = time.monotonic()
    with pytest.raises(ServiceUnreachable, match="not replied in time"), database.reading() as connection:
        connection.execute(text("SELECT pg_sleep(30)"))
    assert time.monotonic() - began < 5
    with database.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1
    database.close()


def test_no_bound_where_the_address_says_none(postgres_url: str) -> None:
    database = Database(f"{postgres_url}&tcp_user_timeout=0")
    with database.reading() as connection:
        assert connection.execute(text("SELECT 1 FROM pg_sleep(0.3)")).scalar() == 1
    database.close()


def test_a_migration_may_take_any_time(postgres_url: str) -> None:
    database = Database(f"{postgres_url}&tcp_user_timeout=1")
    database.migrate()
    database.close()


def bounds(connection: Connection) -> list[str]:
    return [str(connection.execute(text(f"SHOW {name}")).scalar()) for name in BOUNDS]


def test_the_server_does_not_wait_for_ever_either(postgres_url: str) -> None:
    database = Database(postgres_url)
    with database.reading() as connection:
        assert bounds(connection) == ["10s", "21s"]
        connection.rollback()
        assert bounds(connection) == ["10s", "21s"]
    with database.writing() as connection, unbounded(connection.connection.driver_connection):
        assert bounds(connection) == ["0", "0"]
    with database.reading() as connection:
        assert bounds(connection) == ["10s", "21s"]
    database.close()


def test_who_freezes_in_mid_transaction_loses_its_locks_and_goes_on(
    postgres_url: str,
) -> None:
    frozen, other = Database(postgres_url), Database(postgres_url)
    ledger = Ledger(other)
    ledger.submit([new_job("a")])

    def freeze() -> None:
        with frozen.writing() as connection:
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 100"))
            connection.execute(text("UPDATE jobs SET label = 'lost'"))
            wait_until(lambda: ledger.claim("a", "w"), what="the end of its locks")
            connection.execute(text("UPDATE jobs SET label = 'lost'"))

    with pytest.raises(ServiceUnreachable):
        freeze()
    assert Ledger(frozen).renew("w"), "its next connection is whole"
    with other.reading() as connection:
        assert connection.execute(text("SELECT label FROM jobs")).scalar() != "lost"
    frozen.close()
    other.close()
