import time

import pytest
from brushwork_schemas.database import Database
from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import text


def test_an_answer_that_does_not_come_is_an_error_and_the_next_question_is_answered(
    postgres_url: str,
) -> None:
    database = Database(f"{postgres_url}&tcp_user_timeout=200")
    began = time.monotonic()
    with pytest.raises(ServiceUnreachable, match="not answered in time"), database.reading() as connection:
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
