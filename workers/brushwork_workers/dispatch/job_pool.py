"""The threads that run jobs. A thread without a job claims jobs for all that have none.

Small jobs of one model run together in one thread. Room is counted in jobs, so the other threads that they
would have taken stay free, but no further jobs are claimed for these.

A worker that is full of one tenant's jobs would have no thread for another tenant until one of them ends, and
jobs that began together end together. So it has some spare threads, for tenants below their share only.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from brushwork_core.ledger import Claim, Claims

LOGGER = logging.getLogger(__name__)
# One spare thread for so many usual ones. A worker of few threads may have no memory for more.
SPARE_PART, FEW_THREADS = 2, 4
# While only spare threads are free, jobs for them are looked for so often.
SPARE_LOOK_S = 0.25


Run = Callable[[Sequence[Claim]], Sequence[Claim]]
_NONE: Sequence[Claim] = ()


def _each_alone(claims: Sequence[Claim]) -> Sequence[Sequence[Claim]]:
    return [(claim,) for claim in claims]


class JobPool:
    """Runs as many jobs at once as it has usual threads; half as many more for tenants below their share.

    One of the free threads claims jobs for all of them, in one transaction, keeps one and hands the others
    on. Nobody else is needed between a message and its job.

    Args:
        size: Number of usual threads, and of jobs at once.
        claim: Claims up to so many jobs.
        run: Runs jobs in one thread, and raises nothing that a job can cause. It returns those that it has
            not begun, which are then run one by one.
        may_claim: Whether jobs may be claimed now. Whoever makes this true calls `wake`.
        claim_spare: Claims up to so many jobs of tenants below their share; None for no spare threads.
        on_room: Called when a usual thread is free again after all had jobs.
        divided: Chooses which claimed jobs are run in one thread; by default none is with another.
    """

    def __init__(
        self,
        size: int,
        claim: Callable[[int], Claims],
        run: Run,
        *,
        may_claim: Callable[[], bool] = lambda: True,
        claim_spare: Callable[[int], Claims] | None = None,
        on_room: Callable[[], None] = lambda: None,
        divided: Callable[[Sequence[Claim]], Sequence[Sequence[Claim]]] = _each_alone,
    ) -> None:
        self._claim = claim
        self._run = run
        self._divided = divided
        self._may_claim = may_claim
        self._claim_spare = claim_spare or (lambda _: Claims())
        self._num_spare = size // SPARE_PART if claim_spare and size >= FEW_THREADS else 0
        self._looks_at_s = 0.0
        # When usual threads should look again; None for no such time.
        self._again_at_s: float | None = None
        self.on_room = on_room
        self._changed = threading.Condition()
        # Groups of jobs, each for one thread, and how many jobs these are.
        self._ready: deque[Sequence[Claim]] = deque()
        self._num_ready = 0
        # Jobs that could begin. A thread that has not started yet cannot begin one.
        self._num_free = 0
        # Whether there may be jobs that nobody has looked for.
        self._is_wanted = True
        self._is_claiming = False
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"job-{number}", daemon=True)
            for number in range(size + self._num_spare)
        ]

    @property
    def has_room(self) -> bool:
        """Whether another job could begin at once, whoever's it is."""
        return self._num_free - self._num_spare > self._num_ready

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
        num_ended, left = 1, _NONE
        while (group := self._next(num_ended, left)) is not None:
            num_ended, left = len(group), _NONE
            try:
                left = self._run(group)
            except Exception:
                for claim in group:
                    LOGGER.exception("Job %s: its thread goes on with another", claim.job_id)

    def _next(self, num_ended: int, left: Sequence[Claim]) -> Sequence[Claim] | None:
        """Wait for jobs; None if the pool stops.

        Args:
            num_ended: How many jobs this thread had.
            left: Those of them that it has not begun.
        """
        with self._changed:
            was_full = not self.has_room
            self._num_free += num_ended
            self._add([(claim,) for claim in left])
            self._changed.notify(max(0, len(left) - 1))
            if was_full and self.has_room:
                self.on_room()
            while not self._ready:
                if self._is_claiming:
                    # It may bring jobs for all free threads.
                    self._changed.wait()
                elif self._is_stopping:
                    self._num_free -= 1
                    return None
                elif self._is_due() and self._may_claim():
                    self._look()
                else:
                    self._changed.wait(self._pause_s())
            group = self._ready.popleft()
            self._num_ready -= len(group)
            self._num_free -= len(group)
            return group

    def _add(self, groups: Sequence[Sequence[Claim]]) -> None:
        self._ready.extend(groups)
        self._num_ready += sum(map(len, groups))

    def _is_due(self) -> bool:
        """Whether jobs should be looked for: for usual threads when somebody wants it, else regularly."""
        if not self.has_room:
            return time.monotonic() >= self._looks_at_s
        return self._is_wanted or (self._again_at_s is not None and time.monotonic() >= self._again_at_s)

    def _pause_s(self) -> float | None:
        """Seconds after which a thread has to see whether something is due; None for when it is woken."""
        if not self.has_room:
            return SPARE_LOOK_S if self._num_spare else None
        return None if self._again_at_s is None else max(0.001, self._again_at_s - time.monotonic())

    def _look(self) -> None:
        """Claim jobs for all free threads. The lock is held, but not during the claim."""
        self._is_claiming = True
        if is_usual := self.has_room:
            self._is_wanted, self._again_at_s = False, None
        limit = self._num_free - self._num_spare if is_usual else self._num_free
        self._looks_at_s = time.monotonic() + SPARE_LOOK_S
        self._changed.release()
        try:
            claims = self._claims(self._claim if is_usual else self._claim_spare, limit)
        finally:
            self._changed.acquire()
            self._is_claiming = False
        groups = self._divided(claims.jobs)
        self._add(groups)
        self._is_wanted = self._is_wanted or claims.more
        if claims.again_s is not None:
            self._again_at_s = time.monotonic() + claims.again_s
        if self._is_stopping:
            self._changed.notify_all()
            return
        # This thread takes one. One more is woken where another look is due.
        is_due = self._is_wanted or claims.again_s is not None
        self._changed.notify(max(0, len(groups) - 1) + is_due)

    def _claims(self, claim: Callable[[int], Claims], limit: int) -> Claims:
        try:
            return claim(limit)
        except Exception:
            # The next look may succeed.
            LOGGER.exception("Jobs could not be claimed")
            return Claims()
