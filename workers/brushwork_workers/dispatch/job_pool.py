"""The threads that run jobs. A thread without a job claims jobs for all that have none."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from brushwork_core.ledger import Claim, Claims

LOGGER = logging.getLogger(__name__)


class JobPool:
    """Runs as many jobs at once as it has threads.

    One of the free threads claims jobs for all of them, in one transaction, keeps one and hands the others
    on. Nobody else is needed between a message and its job.

    Args:
        size: Number of threads, and of jobs at once.
        claim: Claims up to so many jobs.
        run: Runs a claimed job, and raises nothing that a job can cause.
        may_claim: Whether jobs may be claimed now. Whoever makes this true calls `wake`.
        on_room: Called when a thread is free again after all had jobs.
    """

    def __init__(
        self,
        size: int,
        claim: Callable[[int], Claims],
        run: Callable[[Claim], object],
        *,
        may_claim: Callable[[], bool] = lambda: True,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self._claim = claim
        self._run = run
        self._may_claim = may_claim
        self.on_room = on_room
        self._changed = threading.Condition()
        self._ready: deque[Claim] = deque()
        self._num_free = 0
        # Whether there may be jobs that nobody has looked for.
        self._is_wanted = True
        self._is_claiming = False
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"job-{number}", daemon=True) for number in range(size)
        ]

    @property
    def has_room(self) -> bool:
        """Whether another job could begin at once."""
        return self._num_free > len(self._ready)

    def start(self) -> None:
        """Start the threads. They look for jobs at once."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Have a free thread look for jobs, or the first that becomes free."""
        with self._changed:
            self._is_wanted = True
            self._changed.notify()

    def stop(self) -> None:
        """Claim no more jobs."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until all jobs have ended, after `stop`."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _work(self) -> None:
        while (claim := self._next()) is not None:
            try:
                self._run(claim)
            except Exception:
                LOGGER.exception("Job %s: its thread goes on with another", claim.job_id)

    def _next(self) -> Claim | None:
        """Wait for a job; None if the pool stops."""
        with self._changed:
            was_full = not self.has_room
            self._num_free += 1
            try:
                if was_full:
                    self.on_room()
                while not self._ready:
                    # A claim that is under way may bring jobs for all free threads.
                    if self._is_stopping and not self._is_claiming:
                        return None
                    if (
                        not self._is_stopping
                        and self._is_wanted
                        and not self._is_claiming
                        and self._may_claim()
                    ):
                        self._look()
                    else:
                        self._changed.wait()
                return self._ready.popleft()
            finally:
                self._num_free -= 1

    def _look(self) -> None:
        """Claim jobs for all free threads. The lock is held, but not during the claim."""
        self._is_claiming, self._is_wanted = True, False
        limit = self._num_free
        self._changed.release()
        try:
            claims = self._claims(limit)
        finally:
            self._changed.acquire()
            self._is_claiming = False
        self._ready.extend(claims.jobs)
        self._is_wanted = self._is_wanted or claims.more
        if self._is_stopping:
            self._changed.notify_all()
            return
        # This thread takes one. One more is woken where another look is due.
        self._changed.notify(max(0, len(claims.jobs) - 1) + self._is_wanted)

    def _claims(self, limit: int) -> Claims:
        try:
            return self._claim(limit)
        except Exception:
            # The next look may succeed.
            LOGGER.exception("Jobs could not be claimed")
            return Claims()
