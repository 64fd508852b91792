"""Writes of many threads that share transactions."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from brushwork_core.database.database import Database
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

NUM_THREADS = 16


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    with opened.writing() as connection:
        connection.execute(text("CREATE TABLE notes (name TEXT PRIMARY KEY)"))
    yield opened
    opened.close()


@pytest.fixture
def commits(database: Database) -> list[None]:
    seen: list[None] = []
    event.listen(database.engine, "commit", lambda connection: seen.append(None))
    return seen


def note(name: str) -> Callable[[Connection], str]:
    def write(connection: Connection) -> str:
        connection.execute(text("INSERT INTO notes VALUES (:name)"), {"name": name})
        return name

    return write


def notes(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(text("SELECT name FROM notes")).scalars())


def write_behind(database: Database, names: list[str]) -> list[str | BaseException]:
    """What each write gives; all of them wait for one that is under way, and so for each other."""
    entered, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        entered.set()
        assert go_on.wait(30)

    def attempt(name: str) -> str | BaseException:
        try:
            return database.write(note(name))
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(names) + 1) as threads:
        first = threads.submit(database.write, slow)
        assert entered.wait(30)
        others = [threads.submit(attempt, name) for name in names]
        queue = database._queue
        assert queue is not None
        while len(queue._waiting) < len(names):
            threading.Event().wait(0.001)
        go_on.set()
        first.result(30)
        return [other.result(30) for other in others]


def test_writes_that_wait_share_one_commit(database: Database, commits: list[None]) -> None:
    names = [f"note {index}" for index in range(NUM_THREADS)]
    assert write_behind(database, names) == names
    assert notes(database) == set(names)
    assert len(commits) == 2


def test_a_write_that_fails_fails_alone(database: Database) -> None:
    answers = write_behind(database, ["a", "b", "a", "c"])
    assert sorted(str(answer) for answer in answers if isinstance(answer, str)) == ["a", "b", "c"]
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == 1
    assert notes(database) == {"a", "b", "c"}


def test_a_transaction_of_ones_own_is_shared_with_nobody(database: Database) -> None:
    others: list[Future[str]] = []
    with ThreadPoolExecutor(1) as threads:

        def write_and_fail() -> None:
            with database.writing() as connection:
                note("mine")(connection)
                others.append(threads.submit(database.write, note("yours")))
                raise ValueError("undone")

        with pytest.raises(ValueError, match="undone"):
            write_and_fail()
        assert others[0].result(30) == "yours"
    assert notes(database) == {"yours"}


def test_a_thread_that_is_interrupted_leaves_nobody_waiting(database: Database) -> None:
    """It wrote for another one too, whose work is done all the same."""
    queue = database._queue
    assert queue is not None
    begun: list[str] = []

    def interrupted_at_first(connection: Connection) -> str:
        begun.append("work")
        if len(begun) == 1:
            raise KeyboardInterrupt
        return note("other")(connection)

    with ThreadPoolExecutor(2) as threads:
        with database.writing():
            both = [threads.submit(database.write, interrupted_at_first) for _ in range(2)]
            while len(queue._waiting) < 2:
                threading.Event().wait(0.001)
        ended = [one.exception(timeout=30) for one in both]
    assert sorted(map(repr, ended)) == ["KeyboardInterrupt()", "None"]
    assert notes(database) == {"other"}
    assert not queue._waiting


def test_a_write_inside_a_write_is_refused_instead_of_waiting_for_itself(database: Database) -> None:
    with pytest.raises(RuntimeError, match="inside a write"):
        database.write(lambda connection: database.write(note("inner")))
    with pytest.raises(RuntimeError, match="inside a write"), database.writing():
        database.write(note("inner"))
    assert database.write(note("after")) == "after"
    assert notes(database) == {"after"}
