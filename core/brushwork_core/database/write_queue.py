"""Writes of many threads to one SQLite file, several to a transaction, each within one time limit.

SQLite has one writer at a time; a second one sleeps and tries again. Threads of one process that write often
would mostly sleep. Here they wait in a queue, and the thread whose turn it is writes for all that wait, so
that one commit, with its wait for the disk, serves all of them. Databases call this group commit. (Source of
the method: flat combining, Hendler, Incze, Shavit and Tzafrir, 2010.)

Another process may hold the file's lock for long. The limit of a write counts from its call, so it does not
add up over the writes before it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from brushwork_schemas.errors import ServiceUnreachable
from sqlalchemy import Connection

from brushwork_core.database.connection_errors import locked_for_too_long

_Answer = TypeVar("_Answer")
Work = Callable[[Connection], Any]
# When the writes of this context must be answered, by the monotonic clock.
_DEADLINE: ContextVar[float | None] = ContextVar("write_deadline", default=None)


@contextmanager
def answered_within(limit_s: float) -> Iterator[None]:
    """Answer each write of this context within so many seconds from now, also in threads that it starts.

    A write that begins later is tried once, without waiting for a lock.
    """
    token = _DEADLINE.set(min(time.monotonic() + limit_s, _DEADLINE.get() or float("inf")))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


@dataclass(eq=False)
class _Write:
    """A write that waits, and its answer."""

    work: Work
    deadline: float
    answer: Future[Any] = field(default_factory=Future)


class _NotBegunError(Exception):
    """A transaction could not begin, because the file stays locked or for another reason."""

    def __init__(self, error: ServiceUnreachable) -> None:
        super().__init__(str(error))
        self.error = error


class WriteQueue:
    """Orders the writes of the threads of this process.

    Args:
        begin: Opens a transaction that commits at its end. It waits for the lock for so many seconds.
        limit_s: Time limit of a write, from its call to its answer, while the file is locked.
    """

    def __init__(
        self, begin: Callable[[float], AbstractContextManager[Connection]], *, limit_s: float
    ) -> None:
        self._begin = begin
        self.limit_s = limit_s
        self._waiting: deque[_Write] = deque()
        self._turn = threading.Lock()
        self._owner: int | None = None

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Open a transaction that holds no write of another thread.

        Raises:
            ServiceUnreachable: The file stays locked.
        """
        deadline = self._deadline()
        self._refuse_nesting()
        if not self._takes_turn(deadline):
            raise locked_for_too_long()
        with self._own_turn(), self._begin(_left_s(deadline)) as connection:
            yield connection

    def write(self, work: Callable[[Connection], _Answer]) -> _Answer:
        """Return the result of `work` after its commit.

        `work` may be called twice, where the first call is rolled back.

        Raises:
            ServiceUnreachable: The file stays locked.
            Exception: The error of `work` or of its commit. Errors of other threads' writes are not raised.
        """
        self._refuse_nesting()
        own = _Write(work, self._deadline())
        self._waiting.append(own)
        if self._takes_turn(own.deadline):
            with self._own_turn():
                self._write_all(own)
        elif self._gives_up(own):
            raise locked_for_too_long()
        result: _Answer = own.answer.result()
        return result

    def _deadline(self) -> float:
        return min(time.monotonic() + self.limit_s, _DEADLINE.get() or float("inf"))

    def _takes_turn(self, deadline: float) -> bool:
        return self._turn.acquire(timeout=_left_s(deadline))

    def _gives_up(self, own: _Write) -> bool:
        """Leave the queue. False if the thread whose turn it is has taken the write: it will answer."""
        try:
            self._waiting.remove(own)
        except ValueError:
            return False
        return True

    @contextmanager
    def _own_turn(self) -> Iterator[None]:
        """Hold the turn that was taken."""
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = None
            self._turn.release()

    def _refuse_nesting(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError("A write inside a write of the same thread would deadlock.")

    def _write_all(self, own: _Write) -> None:
        """Write what waits, until the own write is answered."""
        while not own.answer.done():
            batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                self._write_together(batch)
            finally:
                # The file is locked and some have time left, or this thread is interrupted.
                left = [entry for entry in batch if entry is not own and not entry.answer.done()]
                self._waiting.extendleft(reversed(left))
            if not own.answer.done():
                self._waiting.append(own)

    def _write_together(self, batch: Sequence[_Write]) -> None:
        try:
            values = self._committed([entry.work for entry in batch], min(each.deadline for each in batch))
        except _NotBegunError as failed:
            self._fail(batch, failed.error)
        except Exception:
            # All of them are rolled back. To find the one that failed, each runs in its own transaction.
            self._write_each(batch)
        else:
            for entry, value in zip(batch, values, strict=True):
                entry.answer.set_result(value)

    def _fail(self, batch: Sequence[_Write], error: ServiceUnreachable) -> None:
        """Answer the writes whose time is over; all of them, if the reason is not that time."""
        now = time.monotonic()
        over = [entry for entry in batch if entry.deadline <= now]
        for entry in over or batch:
            entry.answer.set_exception(error)

    def _write_each(self, batch: Sequence[_Write]) -> None:
        for entry in batch:
            try:
                entry.answer.set_result(self._committed([entry.work], entry.deadline)[0])
            except _NotBegunError as failed:
                entry.answer.set_exception(failed.error)
            except Exception as error:
                entry.answer.set_exception(error)

    def _committed(self, works: Sequence[Work], deadline: float) -> list[Any]:
        with ExitStack() as transaction:
            try:
                connection = transaction.enter_context(self._begin(_left_s(deadline)))
            except ServiceUnreachable as error:
                raise _NotBegunError(error) from error
            return [work(connection) for work in works]


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
