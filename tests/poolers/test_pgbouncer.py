"""The database behind PgBouncer in transaction mode: nothing of one client reaches another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from brushwork_core.database.bounded_postgres import BoundedConnection, unbounded
from brushwork_core.database.connection_errors import translated
from brushwork_core.database.database import Database
from brushwork_core.ledger import Ledger
from brushwork_schemas.errors import ServiceMisconfigured, ServiceUnreachable
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tests.jobs import new_job
from tests.poolers.conftest import SESSIONS
from tests.poolers.pgbouncer import PgBouncer
from tests.servers import wait_until

NAMES = ("idle_in_transaction_session_timeout", "statement_timeout")
LIMITS = ["10s", "21s"]


@pytest.fixture
def pooled(pooled_url: str) -> Database:
    return Database(pooled_url)


def limits(connection: Connection) -> list[str]:
    return [str(connection.execute(text(f"SHOW {name}")).scalar()) for name in NAMES]


def driver_of(connection: Connection) -> BoundedConnection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, BoundedConnection)
    return driver


def stranger(bouncer: PgBouncer) -> "psycopg.Connection[tuple[str, ...]]":
    """Another program that uses the same sessions of the server, without limits."""
    address = bouncer.url("postgresql:///ledger").replace("+psycopg", "")
    return psycopg.connect(address, autocommit=True, prepare_threshold=None)


def test_a_pooler_is_noticed(pooled: Database, postgres_url: str) -> None:
    with (
        closing(pooled),
        closing(Database(postgres_url)) as direct,
        pooled.reading() as through,
        direct.reading() as beside,
    ):
        assert (driver_of(through).is_pooled, driver_of(beside).is_pooled) == (True, False)
        assert (driver_of(through).prepare_threshold, driver_of(beside).prepare_threshold) == (None, 5)


def test_limits_hold_in_each_transaction_and_reach_no_other_client(
    pooled: Database, bouncer: PgBouncer
) -> None:
    with closing(pooled), stranger(bouncer) as other:
        for _ in range(2 * SESSIONS):
            with pooled.reading() as connection:
                assert limits(connection) == LIMITS
                connection.rollback()
                assert limits(connection) == LIMITS
            with pooled.writing() as connection:
                assert limits(connection) == LIMITS
            for name in NAMES:
                assert other.execute(f"SHOW {name}".encode()).fetchone() == ("0",)
        with pooled.writing() as connection, unbounded(driver_of(connection)):
            assert limits(connection) == ["0", "0"]


def test_a_transaction_after_autocommit_has_its_limits(pooled: Database) -> None:
    with closing(pooled):
        for _ in range(2):
            with pooled.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                assert connection.execute(text("SELECT 1")).scalar() == 1
            with pooled.writing() as connection:
                assert limits(connection) == LIMITS


def test_many_threads_share_few_sessions(pooled: Database, postgres_url: str) -> None:
    ledger = Ledger(pooled, lease_s=600)

    def work(number: int) -> int:
        # More often than psycopg waits before it prepares a statement.
        return sum(_is_taken_once(ledger, f"{number}-{each}") for each in range(5))

    with closing(pooled), ThreadPoolExecutor(4 * SESSIONS) as threads:
        assert sum(threads.map(work, range(4 * SESSIONS))) == 4 * SESSIONS * 5


def _is_taken_once(ledger: Ledger, job_id: str) -> bool:
    ledger.submit([new_job(job_id)])
    return ledger.claim(job_id, "w") is not None and ledger.claim(job_id, "other") is None


def test_a_claim_costs_no_more_messages_than_without_a_pooler(
    pooled: Database, postgres_url: str, tmp_path: Path
) -> None:
    with closing(pooled), closing(Database(postgres_url)) as direct:
        numbers = [_messages_of_a_claim(each, tmp_path / "trace") for each in (direct, pooled)]
    # BEGIN with the limits, the statement, COMMIT; and a look whether the connection is alive, if it is due.
    assert numbers[1] <= numbers[0] <= 4, numbers


def _messages_of_a_claim(database: Database, trace: Path) -> int:
    """Count the messages of a claim that wait for a reply of the server, as libpq notes them."""
    ledger = Ledger(database, lease_s=600)
    jobs = [f"{database.engine.url.host}-{number}" for number in range(2)]
    ledger.submit([new_job(job_id) for job_id in jobs])
    assert ledger.claim(jobs[0], "w")
    with database.reading() as connection:
        libpq = driver_of(connection).pgconn
    with trace.open("w") as file:
        libpq.trace(file.fileno())
        assert ledger.claim(jobs[1], "w")
        libpq.untrace()
    # Time, sender, size and kind of message; the text of a statement may go on in further lines.
    noted = [line.split("\t") for line in trace.read_text().splitlines()]
    return sum(line[1] == "F" and line[3] in ("Query", "Sync") for line in noted if len(line) > 3)


def test_a_statement_ends_on_the_server_too(pooled_url: str, postgres_url: str) -> None:
    # On a busy machine, the limit may end the server's connection to the pooler before that of the client.
    ended = "not replied in time|server connection closed"
    with (
        closing(Database(f"{pooled_url}?tcp_user_timeout=200")) as pooled,
        pytest.raises(ServiceUnreachable, match=ended),
        pooled.reading() as connection,
    ):
        connection.execute(text("SELECT pg_sleep(60), 'sleeper'"))
    with closing(Database(postgres_url)) as direct:
        wait_until(lambda: not _is_asleep(direct), what="the end of the statement on the server")


def _is_asleep(database: Database) -> bool:
    asked = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE query LIKE '%sleeper%' AND state = 'active' AND pid != pg_backend_pid()"
    )
    with database.reading() as connection:
        return bool(connection.execute(asked).scalar_one())


def test_programs_migrate_at_once(bouncer: PgBouncer, postgres_server: object, pooled_url: str) -> None:
    databases = [Database(pooled_url) for _ in range(3)]
    barrier = threading.Barrier(3)

    def migrate(database: Database) -> None:
        barrier.wait()
        database.migrate()
        database.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(migrate, databases))


def test_the_process_is_named_behind_a_pooler(pooled_url: str) -> None:
    shown = text("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
    with closing(Database(pooled_url, "gateway")) as one, closing(Database(pooled_url, "worker")) as other:
        for database, name in ((one, "gateway"), (other, "worker"), (one, "gateway")):
            with database.reading() as connection:
                assert connection.execute(shown).scalar() == f"brushwork {name}"


@pytest.mark.parametrize("option", ["options=-c%20lock_timeout%3D5000", "replication=database"])
def test_an_option_that_pgbouncer_refuses_is_named_with_the_line_to_add(pooled_url: str, option: str) -> None:
    name = option.partition("=")[0]
    with (
        closing(Database(f"{pooled_url}?{option}")) as database,
        pytest.raises(ServiceMisconfigured) as raised,
        database.reading() as connection,
    ):
        connection.execute(text("SELECT 1"))
    assert raised.value.message == f"PgBouncer refuses the option {name} of the database address."
    assert f"ignore_startup_parameters = {name}." in str(raised.value.hint)


def test_a_pooler_that_is_full_says_which_of_its_settings_is_small(
    pooled_url: str, bouncer: PgBouncer
) -> None:
    (before,) = [row["value"] for row in bouncer.ask("SHOW CONFIG") if row["key"] == "max_client_conn"]
    bouncer.ask("SET max_client_conn = 1")
    try:
        with (
            closing(Database(pooled_url)) as database,
            stranger(bouncer),
            pytest.raises(ServiceUnreachable) as raised,
            database.reading() as connection,
        ):
            connection.execute(text("SELECT 1"))
        assert "max_client_conn" in str(raised.value.hint)
    finally:
        # Its console counts as a client, too.
        wait_until(lambda: _sets(bouncer, f"max_client_conn = {before}"), what="room in PgBouncer")


def _sets(bouncer: PgBouncer, setting: str) -> bool:
    try:
        bouncer.ask(f"SET {setting}")
    except psycopg.OperationalError:
        return False
    return True


# Texts of PgBouncer 1.18 and 1.24.
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("FATAL:  query_wait_timeout", "default_pool_size"),
        ("query_wait_timeout\nserver closed the connection unexpectedly", "default_pool_size"),
        ("FATAL:  no more connections allowed (max_client_conn)", "max_client_conn"),
        ("FATAL:  no more connections allowed", "max_client_conn"),
        ("FATAL:  unsupported startup parameter: options", "ignore_startup_parameters = options"),
        (
            "FATAL:  unsupported startup parameter in options: lock_timeout",
            "ignore_startup_parameters = lock_timeout",
        ),
    ],
)
def test_what_pgbouncer_says_leads_to_its_setting(words: str, hint: str) -> None:
    with pytest.raises(ServiceUnreachable) as raised, translated():
        raise OperationalError("SELECT 1", {}, psycopg.OperationalError(words))
    assert hint in str(raised.value.hint)
