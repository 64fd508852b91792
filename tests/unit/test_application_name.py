"""PostgreSQL shows which process holds a connection."""

import pytest
from brushwork_core.database.database import Database, application_name
from sqlalchemy import text

SHOWN = text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")


def _shown(url: str, *user: str) -> str:
    database = Database(url, *user)
    with database.reading() as connection:
        shown = str(connection.execute(SHOWN).scalar_one())
    database.close()
    return shown


@pytest.mark.parametrize(
    ("user", "name"),
    [
        (["worker a@host"], "brushwork worker a@host"),
        (["gateway"], "brushwork gateway"),
        ([], "brushwork"),
        (["worker \N{LATIN SMALL LETTER U WITH DIAERESIS}@host"], "brushwork worker ?@host"),
        (["worker " + "w" * 100], "brushwork worker " + "w" * 46),
    ],
)
def test_a_process_is_named(postgres_url: str, user: list[str], name: str) -> None:
    assert _shown(postgres_url, *user) == name


def test_the_name_in_the_address_wins(postgres_url: str) -> None:
    assert _shown(f"{postgres_url}&application_name=mine", "gateway") == "mine"


def test_a_name_is_at_most_as_long_as_the_server_keeps() -> None:
    assert len(application_name("worker " + "\N{PILE OF POO}" * 100)) == 63
