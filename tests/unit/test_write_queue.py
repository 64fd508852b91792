"""Writes of many threads that share transactions."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.write_queue import answered_within
from brushwork_schemas.errors import ServiceUnreachable
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


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold the write lock of the file, as another process would."""
    other = sqlite3.connect(str(database.engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def attempted(action: Callable[[], object]) -> tuple[float, object]:
    """How long it took, and its result or error."""
    began = time.monotonic()
    try:
        result = action()
    except Exception as error:
        result = error
    return time.monotonic() - began, result


LIMIT_S = 1.0
# Of a busy machine.
LATE_S = 1.5


def test_all_writes_to_a_locked_file_are_answered_within_one_limit(database: Database) -> None:
    def write(number: int) -> object:
        if number % 3 == 0:
            return exclusively(database, f"note {number}")
        return database.write(note(f"note {number}"))

    assert database._queue is not None
    database._queue.limit_s = LIMIT_S
    with locked(database), ThreadPoolExecutor(45) as threads:
        answers = list(threads.map(lambda number: attempted(lambda: write(number)), range(45)))
        # Readers do not wait.
        took_s, read = attempted(lambda: notes(database))
    assert [type(error) for _, error in answers] == [ServiceUnreachable] * 45
    assert all(LIMIT_S - 0.1 < took_s < LIMIT_S + LATE_S for took_s, _ in answers)
    assert (read, took_s < LATE_S) == (set(), True)
    # Nothing is written later, and nothing waits for ever.
    assert database.write(note("after")) == "after"
    assert notes(database) == {"after"}


def exclusively(database: Database, name: str) -> str:
    with database.writing() as connection:
        return note(name)(connection)


def test_a_write_has_its_limit_from_its_call_whoever_leads(database: Database) -> None:
    """The first one waits longer than the others, and writes for them."""
    queue = database._queue
    assert queue is not None
    with ThreadPoolExecutor(9) as threads, locked(database):
        queue.limit_s = 30
        leader = threads.submit(database.write, note("leader"))
        while not queue._turn.locked():
            threading.Event().wait(0.001)
        queue.limit_s = LIMIT_S
        answers = list(threads.map(lambda n: attempted(lambda: database.write(note(f"note {n}"))), range(8)))
        assert [type(error) for _, error in answers] == [ServiceUnreachable] * 8
        assert max(took_s for took_s, _ in answers) < LIMIT_S + LATE_S
        assert not leader.done()
        assert not queue._waiting
    assert leader.result(30) == "leader"
    assert notes(database) == {"leader"}


def test_a_context_has_a_limit_for_all_its_writes_also_in_other_threads(database: Database) -> None:
    def three() -> list[tuple[float, object]]:
        return [attempted(lambda: database.write(note("a"))) for _ in range(3)]

    with locked(database), ThreadPoolExecutor(1) as threads, answered_within(0.3):
        took_s, answers = attempted(lambda: threads.submit(copy_context().run, three).result())
    assert isinstance(answers, list)
    assert [type(error) for _, error in answers] == [ServiceUnreachable] * 3
    assert 0.2 < took_s < 0.3 + LATE_S
    # Without a lock, a write whose time is over is made all the same.
    with answered_within(0):
        assert database.write(note("late")) == "late"
        assert exclusively(database, "later") == "later"


def test_a_file_that_cannot_be_opened_fails_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = database._queue
    assert queue is not None

    @contextmanager
    def broken(wait_s: float) -> Iterator[Connection]:
        raise ServiceUnreachable("the disk is gone")
        yield

    monkeypatch.setattr(queue, "_begin", broken)
    took_s, error = attempted(lambda: database.write(note("a")))
    assert (str(error), took_s < LATE_S) == ("the disk is gone", True)
