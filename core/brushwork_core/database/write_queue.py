"""Writes of many threads to one SQLite file, several to a transaction.

SQLite has one writer at a time; a second one sleeps and tries again. Threads of one process that write often
would mostly sleep. Here they wait in a queue, and the thread whose turn it is writes for all that wait, so
that one commit, with its wait for the disk, serves all of them. Databases call this group commit. (Source of
the method: flat combining, Hendler, Incze, Shavit and Tzafrir, 2010.)
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection

_Answer = TypeVar("_Answer")
Work = Callable[[Connection], Any]


class WriteQueue:
    """Orders the writes of the threads of this process.

    Args:
        begin: Opens a transaction that commits at its end.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._begin = begin
        self._waiting: deque[tuple[Work, Future[Any]]] = deque()
        self._turn = threading.Lock()
        self._owner: int | None = None

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Open a transaction that holds no write of another thread."""
        with self._own_turn(), self._begin() as connection:
            yield connection

    def write(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """Return the result of `work` after its commit.

        `work` may be called twice, where the first call is rolled back.

        Raises:
            Exception: The error of `work` or of its commit. Errors of other threads' writes are not raised.
        """
        self._refuse_nesting()
        answer: Future[_Answer] = Future()
        self._waiting.append((work, answer))
        with self._own_turn():
            if not answer.done():
                self._write_all(answer)
        return answer.result()

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        self._refuse_nesting()
        with self._turn:
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = None

    def _refuse_nesting(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError("A write inside a write of the same thread would deadlock.")

    def _write_all(self, own: Future[Any]) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            self._write_together(batch)
        except BaseException:
            # This thread is interrupted. The writes of the others go back to the queue.
            left = [entry for entry in batch if entry[1] is not own and not entry[1].done()]
            self._waiting.extendleft(reversed(left))
            raise

    def _write_together(self, batch: Sequence[tuple[Work, Future[Any]]]) -> None:
        try:
            values = self._committed([work for work, _ in batch])
        except Exception:
            # All of them are rolled back. To find the one that failed, each runs in its own transaction.
            self._write_each(batch)
            return
        for (_, answer), value in zip(batch, values, strict=True):
            answer.set_result(value)

    def _write_each(self, batch: Sequence[tuple[Work, Future[Any]]]) -> None:
        for work, answer in batch:
            try:
                answer.set_result(self._committed([work])[0])
            except Exception as error:
                answer.set_exception(error)

    def _committed(self, works: Sequence[Work]) -> list[Any]:
        with self._begin() as connection:
            return [work(connection) for work in works]
