"""The folder of an artifact store, which may be on a network: it may hang, and it may be unmounted.

A call of the system to a folder that hangs never returns, and nothing can end it. So each call runs in
another thread, which is left behind if it takes too long.
"""

import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

# A call that takes longer is given up; a large file gets more time.
CALL_S = 10.0
SLOWEST_BYTES_PER_S = 4 * 2**20
# Threads that hang at the same time. Further calls fail at once.
MOST_HANGING = 64
# A thread without a call ends after so long.
IDLE_S = 10.0
_Answer = TypeVar("_Answer")


class Within(Protocol):
    """Calls a function within the time that it may take."""

    def __call__(self, call: Callable[[], _Answer], size_bytes: int = 0) -> _Answer:
        """Return what `call` returns."""
        ...


def direct(call: Callable[[], _Answer], size_bytes: int = 0) -> _Answer:
    """Call, without a limit of time: stores that are no folder have their own."""
    return call()


class StoreFolder:
    """Calls to a folder, bounded in time. Safe to use from any thread.

    Args:
        path: The folder. It exists.
        limit_s: Seconds after which a call is given up.
    """

    def __init__(self, path: Path, limit_s: float = CALL_S) -> None:
        self._path = path
        self._limit_s = limit_s
        self._slots = threading.BoundedSemaphore(MOST_HANGING)
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._counting = threading.Lock()
        # Threads that wait, and for which no call is on its way.
        self._num_free = 0
        self._inode = self.within(lambda: path.stat().st_ino)

    def within(self, call: Callable[[], _Answer], size_bytes: int = 0) -> _Answer:
        """Return what `call` returns.

        Args:
            call: Uses the folder.
            size_bytes: Bytes that it reads or writes.

        Raises:
            TimeoutError: It has not returned in time, or many earlier calls have not returned yet.
        """
        if not self._slots.acquire(blocking=False):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
        answer: Future[_Answer] = Future()
        self._start(lambda: self._run(call, answer))
        try:
            return answer.result(self._limit_s + size_bytes / SLOWEST_BYTES_PER_S)
        except TimeoutError as error:
            if answer.done():
                raise
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error

    def expect_mounted(self) -> None:
        """Return if the folder is still the one that was opened.

        A folder that is not mounted any more is another, empty folder: what is read is missing, and what is
        written is hidden once the real one is mounted again.

        Raises:
            OSError: It is another folder, or there is none.
        """
        try:
            is_same = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    def _start(self, call: Callable[[], None]) -> None:
        """Run the call in a free thread, or in a new one. Starting one takes longer than most calls."""
        with self._counting:
            has_thread = self._num_free > 0
            self._num_free -= has_thread
        if has_thread:
            self._calls.put(call)
        else:
            threading.Thread(target=self._serve, args=(call,), name="store-folder", daemon=True).start()

    def _serve(self, call: Callable[[], None] | None) -> None:
        while call is not None:
            call()
            # Not held while the thread waits: it may hold the content of a file.
            call = None
            with self._counting:
                self._num_free += 1
            call = self._next_call()

    def _next_call(self) -> Callable[[], None] | None:
        """Wait for a call; None after a while without any."""
        while True:
            try:
                return self._calls.get(timeout=IDLE_S)
            except Empty:
                with self._counting:
                    # Without a free thread, this one is about to get a call.
                    if self._num_free > 0:
                        self._num_free -= 1
                        return None

    def _run(self, call: Callable[[], _Answer], answer: "Future[_Answer]") -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)
        finally:
            self._slots.release()
